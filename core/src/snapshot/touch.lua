-- Says that a writer is about to rely on pieces of a tenant, before it looks whether they are there: from then on nobody
-- who judged by an earlier state removes them.
-- KEYS[1] head of the tenant (hash)    KEYS[2] index (sorted set); both with the tenant's hash tag
-- ARGV[1] epoch    ARGV[2] generation about to be published    ARGV[3...] pieces
-- Returns 1, or 0 when a newer writer was here.
local function stored(field)
  return tonumber(redis.call('HGET', KEYS[1], field) or '-1')
end
local epoch, generation = tonumber(ARGV[1]), tonumber(ARGV[2])
local touched, generationThen = stored('touched-epoch'), stored('touched-gen')
if epoch < touched or (epoch == touched and generation < generationThen) then
  return 0
end
redis.call('HSET', KEYS[1], 'touched-epoch', ARGV[1], 'touched-gen', ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for at = 3, #ARGV do
  redis.call('ZADD', KEYS[2], now, ARGV[at])
end
return 1
