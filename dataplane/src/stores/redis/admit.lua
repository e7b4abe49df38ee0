-- Takes a hold: every scope says yes, or nothing is taken. Clocks are this server's.
-- KEYS  1 processes (zset: process -> end of its lease, ms)   2 holds of this process (set)
--       3.. budgets (hash spent, held), then rates with a concurrency limit, then other rates (hash q, k, t, n)
-- ARGV  1 process   2 number of budgets   3 number of rates with a concurrency limit
--       then for each budget: limit, expires at (ms; 0 never); for each rate: rpm, tpm, concurrency (0 none)
--       then  valid from   valid until (ms, what the caller believes of this clock)   lease, ms (0: record no hold)
--       hold id   amount   tokens
-- Gives numbers, as doubles of 8 bytes each, little-endian:
--       {0, now, spent and held of each budget, q k n of each rate}: taken
--       {1, now, scope's place, what (0 budget 1 requests 2 tokens 3 concurrency), figures…, retry after ms}: refused
--       {2, now}: the caller's clock is wrong, or the call came too late     {3, now}: closed after a loss (see announce.lua)
-- Buckets count what was used, in 1/60000 of a request (q) and of a token (k) as of t, so that a limit of L a minute
-- drains exactly L units a millisecond. A dead process's holds are given back here, at most 200 a call; its keys
-- share this tenant's slot but are only found in KEYS[1], so they are not declared.

local DAY, HOUR, SWEEP, UNIT = 86400000, 3600000, 200, 60000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- One string is cheaper to read for the caller than a list.
local function answer(numbers)
  return struct.pack('<' .. string.rep('d', #numbers), unpack(numbers))
end

local from, till, lease, id, held_amount, asked_tokens = unpack(ARGV, #ARGV - 5)
if now < tonumber(from) or now >= tonumber(till) then return answer({ 2, now }) end

-- Undoes one hold: "id, amount, number of budgets, budget keys…, keys of rates with a concurrency limit…", one a line.
local function give_back(hold)
  local place, amount, budgets = 0, '0', 0
  for part in string.gmatch(hold, '[^\n]+') do
    place = place + 1
    if place == 2 then
      amount = part
    elseif place == 3 then
      budgets = tonumber(part)
    elseif place > 3 and place <= 3 + budgets then
      if amount ~= '0' and redis.call('HINCRBY', part, 'held', '-' .. amount) < 0 then redis.call('HDEL', part, 'held') end
    elseif place > 3 then
      if redis.call('HINCRBY', part, 'n', -1) < 0 then redis.call('HDEL', part, 'n') end
    end
  end
end

local function sweep(process)
  local prefix = string.sub(KEYS[1], 1, -6)
  local holds = redis.call('SPOP', prefix .. 'h:' .. process, SWEEP)
  for _, hold in ipairs(holds) do give_back(hold) end
  if #holds < SWEEP then redis.call('ZREM', KEYS[1], process) end
  if #holds > 0 then
    redis.call('HSET', prefix .. 'p:' .. process, 'swept', 1)
    redis.call('PEXPIRE', prefix .. 'p:' .. process, DAY)
  end
end

-- The lowest score: an open closure (its end, negated), or the process whose lease ends first.
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if first[2] then
  local score = tonumber(first[2])
  if score < 0 and now < -score then return answer({ 3, now }) end
  if score < 0 then
    redis.call('ZREM', KEYS[1], first[1])
  elseif score <= now and first[1] ~= ARGV[1] then
    sweep(first[1])
  end
end

local budgets, counted = tonumber(ARGV[2]), tonumber(ARGV[3])
local amount, tokens = tonumber(held_amount), tonumber(asked_tokens)
local reply, fresh = { 0, now }, {}

for i = 1, budgets do
  local state = redis.call('HMGET', KEYS[2 + i], 'spent', 'held')
  local spent, held = tonumber(state[1] or 0), tonumber(state[2] or 0)
  -- An exhausted budget refuses free calls too.
  if spent + held + math.max(amount, 1) > tonumber(ARGV[2 + 2 * i]) then return answer({ 1, now, i, 0, spent, held, 0 }) end
  reply[2 * i + 1] = spent
  reply[2 * i + 2] = held + amount
  fresh[i] = not state[1]
end

local writes = {}
local place = 4 + 2 * budgets
for i = 1, #KEYS - 2 - budgets do
  local rpm, tpm, limit = tonumber(ARGV[place]), tonumber(ARGV[place + 1]), tonumber(ARGV[place + 2])
  place = place + 3
  local state = redis.call('HMGET', KEYS[2 + budgets + i], 'q', 'k', 't', 'n')
  local elapsed = state[3] and math.max(0, now - tonumber(state[3])) or 0
  local q = math.max(0, tonumber(state[1] or 0) - rpm * elapsed)
  local k = math.max(0, tonumber(state[2] or 0) - tpm * elapsed)
  local n = tonumber(state[4] or 0)
  if rpm > 0 then
    local over = q + UNIT - rpm * UNIT
    if over > 0 then return answer({ 1, now, i, 1, q, k, n, math.ceil(over / rpm) }) end
    q = q + UNIT
  end
  if tpm > 0 then
    -- A request larger than the whole bucket passes when the bucket is full.
    local over = k + math.min(tokens, tpm) * UNIT - tpm * UNIT
    if over > 0 then return answer({ 1, now, i, 2, q, k, n, math.ceil(over / tpm) }) end
    k = k + tokens * UNIT
  end
  if limit > 0 then
    if n >= limit then return answer({ 1, now, i, 3, q, k, n, 1000 }) end
    n = n + 1
  end
  writes[i] = { q, k, n, not state[3] or elapsed > HOUR }
  local at = #reply
  reply[at + 1] = q
  reply[at + 2] = k
  reply[at + 3] = n
end

for i = 1, budgets do
  local key = KEYS[2 + i]
  if amount > 0 then redis.call('HINCRBY', key, 'held', held_amount) end
  if fresh[i] and ARGV[3 + 2 * i] ~= '0' then redis.call('PEXPIREAT', key, ARGV[3 + 2 * i]) end
end
for i, write in ipairs(writes) do
  local key = KEYS[2 + budgets + i]
  redis.call('HSET', key, 'q', write[1], 'k', write[2], 't', now, 'n', write[3])
  if write[4] then redis.call('PEXPIRE', key, DAY) end
end
if lease ~= '0' then
  local hold = id .. '\n' .. held_amount .. '\n' .. ARGV[2] .. '\n' .. table.concat(KEYS, '\n', 3, 2 + budgets + counted)
  redis.call('SADD', KEYS[2], hold)
  -- Most of a lease is as good as a whole one, and need not be written at every call.
  if first[1] ~= ARGV[1] or tonumber(first[2]) < now + 0.9 * tonumber(lease) then
    redis.call('ZADD', KEYS[1], now + tonumber(lease), ARGV[1])
  end
  if not first[1] then redis.call('PEXPIRE', KEYS[1], DAY) end
end
return answer(reply)
