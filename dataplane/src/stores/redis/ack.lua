-- Acknowledges what a process serves, and tells whoever waits for that.
-- KEYS  1 the acknowledgement (hash)
-- ARGV  1 life, s   2 channel to tell on   3 the process   then fields and values
-- Adds the field "at": this server's time, ms. Gives that.

local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'at', now, unpack(ARGV, 4))
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return now
