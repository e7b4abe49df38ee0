-- Renews the lease of a process in one tenant and says what the store still knows of it.
-- KEYS  1 processes (zset)   2 the process (hash seq, swept)   3 its holds (set)
-- ARGV  1 process   2 lease, ms
-- Gives {now, newest sequence number told, number of holds that stand, 1 when a sweep returned holds of this process}.

local DAY = 86400000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], DAY)
redis.call('PEXPIRE', KEYS[2], DAY)
redis.call('PEXPIRE', KEYS[3], DAY)
local state = redis.call('HMGET', KEYS[2], 'seq', 'swept')
return { now, tonumber(state[1] or 0), redis.call('SCARD', KEYS[3]), tonumber(state[2] or 0) }
