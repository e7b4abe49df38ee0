-- Puts a configuration in force, unless a newer writer or a newer generation is there already.
-- KEYS[1] head (hash)    KEYS[2] log (stream); both with the gateway's hash tag
-- ARGV[1] epoch          ARGV[2] generation
-- ARGV[3] digest         ARGV[4] id of the root manifest
-- ARGV[5] channel to hint on (PUBLISH reaches every node of a cluster)
-- ARGV[6] how many entries the log keeps, about
-- Returns OK, STALE_EPOCH (a newer writer claimed the gateway) or STALE_GEN (not newer than what is in force).
local function stored(field)
  return tonumber(redis.call('HGET', KEYS[1], field) or '-1')
end
local epoch, generation = tonumber(ARGV[1]), tonumber(ARGV[2])
local current = stored('epoch')
if epoch < current or epoch < stored('claimed') then
  return 'STALE_EPOCH'
end
if epoch == current and generation <= stored('gen') then
  return 'STALE_GEN'
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'gen', ARGV[2], 'digest', ARGV[3], 'manifest', ARGV[4])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*', 'epoch', ARGV[1], 'gen', ARGV[2], 'digest', ARGV[3])
redis.call('PUBLISH', ARGV[5], ARGV[4])
return 'OK'
