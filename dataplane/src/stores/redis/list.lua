-- Reads records of a tenant's audit log, newest first.
-- KEYS  1 log (stream)   2 the index to go by (zset; see append.lua)
-- ARGV  1 lowest place   2 records to pass over   3 records to give
-- Gives the records, as they were appended; records that were trimmed meanwhile are left out.

local first = tonumber(ARGV[2])
local last = math.min(first + tonumber(ARGV[3]), redis.call('ZCOUNT', KEYS[2], ARGV[1], '+inf')) - 1
local reply = {}
if last < first then return reply end
local found = redis.call('ZREVRANGE', KEYS[2], first, last, 'WITHSCORES')
for at = 2, #found, 2 do
  local place = tonumber(found[at])
  local id = string.format('%.0f-%.0f', math.floor(place / 1024), place % 1024)
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  if entry then reply[#reply + 1] = entry[2][6] end
end
return reply
