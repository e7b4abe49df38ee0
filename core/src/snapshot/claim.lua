-- Gives a new writer an epoch above every earlier one; writers with a lower epoch can commit no more from then on.
-- KEYS[1] head (hash), with the gateway's hash tag
-- ARGV[1] lowest epoch that counts as taken, from what the writer remembers (the store may have lost its own)
-- Returns the epoch.
local function stored(field)
  return tonumber(redis.call('HGET', KEYS[1], field) or '0')
end
local epoch = math.max(stored('epoch'), stored('claimed'), tonumber(ARGV[1])) + 1
redis.call('HSET', KEYS[1], 'claimed', epoch)
return epoch
