-- Says again which holds of a process live: after a reconnection, or when the store forgot them (failover, rollback,
-- flush, a lease that ran out). Holds that still stand change nothing. When acknowledged writes are gone, admission of
-- the whole tenant closes for one lease, so that every other process can do the same first: the closure is the member
-- "!" of the processes, its score the end of the closure, negated.
-- KEYS  1 processes (zset)   2 the process (hash seq, swept)   3 its holds (set)
-- ARGV  1 process   2 lease, ms   3 the newest sequence number acknowledged lately, 0 for none
--       4 more holds follow in another call (0, 1)   5.. holds (see admit.lua)
-- Gives {now, newest sequence number told, number of holds that had to be added}.

local DAY = 86400000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', KEYS[2], 'seq', 'swept')
local seen, added = tonumber(state[1] or 0), 0

local function take(hold)
  local place, amount, budgets = 0, '0', 0
  for part in string.gmatch(hold, '[^\n]+') do
    place = place + 1
    if place == 2 then
      amount = part
    elseif place == 3 then
      budgets = tonumber(part)
    elseif place > 3 and place <= 3 + budgets then
      if amount ~= '0' then redis.call('HINCRBY', part, 'held', amount) end
    elseif place > 3 then
      redis.call('HINCRBY', part, 'n', 1)
    end
  end
end

for i = 5, #ARGV do
  if redis.call('SADD', KEYS[3], ARGV[i]) == 1 then
    added = added + 1
    take(ARGV[i])
  end
end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], DAY)
redis.call('PEXPIRE', KEYS[3], DAY)
if state[2] and ARGV[4] == '0' then redis.call('HDEL', KEYS[2], 'swept') end
if (added > 0 and not state[2]) or tonumber(ARGV[3]) > seen then
  local closure = redis.call('ZSCORE', KEYS[1], '!')
  if not closure or -tonumber(closure) <= now then redis.call('ZADD', KEYS[1], -(now + tonumber(ARGV[2])), '!') end
end
return { now, seen, added }
