-- Removes pieces that nothing refers to, unless a newer writer was here since they were judged.
-- KEYS[1] head (hash)    KEYS[2] index (sorted set)    KEYS[3...] keys of the pieces to remove; all with one hash tag
-- ARGV[1] epoch    ARGV[2] generation by which the pieces were judged    ARGV[3] how many to remove
-- ARGV[4...] their members in the index, then the members of those that stay and are looked at again later
-- Returns how many are gone, or -1 when a newer writer was here.
local function stored(field)
  return tonumber(redis.call('HGET', KEYS[1], field) or '-1')
end
local epoch, generation, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local function newer(e, g)
  return e > epoch or (e == epoch and g > generation)
end
if newer(stored('touched-epoch'), stored('touched-gen')) or newer(stored('epoch'), stored('gen')) then
  return -1
end
if stored('claimed') > epoch then
  return -1
end
for at = 1, count do
  redis.call('DEL', KEYS[2 + at])
  redis.call('ZREM', KEYS[2], ARGV[3 + at])
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for at = 4 + count, #ARGV do
  redis.call('ZADD', KEYS[2], 'XX', now, ARGV[at])
end
return count
