-- Tells movements of a process: what its calls came to. Each exactly once: movements carry sequence numbers, here
-- consecutive ones; those told before change nothing, and behind a gap none is taken (the caller then fills it first).
-- KEYS  1 the process (hash seq, swept)   2 its holds (set)   3.. the keys of each shape, one shape after the other:
--       budgets, then rates with a concurrency limit (both as the hold was taken on them), then rates with a token limit
-- ARGV  1 sequence number of the first   2 take them over a gap (0, 1)   3 how many
--       4 movements, one a line: shape's place, amount held, cost, what to do when the hold does not stand (0 nothing, 1 charge),
--         tokens to add to the buckets (negative: give back), hold id
--       5.. a shape, its numbers apart by spaces: budgets, rates with a concurrency limit, rates with a token limit,
--         for each budget: expires at (ms; 0 never), for each rate with a token limit: tpm
-- Gives the sequence number that was the newest before this call; {it, n} when n keys could not be changed, since
-- something else stands there: what is right with the others must not wait for those.

local DAY, UNIT = 86400000, 60000
local seen, first, count = tonumber(redis.call('HGET', KEYS[1], 'seq') or 0), tonumber(ARGV[1]), tonumber(ARGV[3])
local last, failed = first + count - 1, 0
if last <= seen or (first > seen + 1 and ARGV[2] == '0') then return seen end
redis.call('HSET', KEYS[1], 'seq', string.format('%.0f', last))
if seen == 0 then redis.call('PEXPIRE', KEYS[1], DAY) end

local function change(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    failed = failed + 1
    return nil
  end
  return reply
end

local function lower(key, field, by)
  local left = change('HINCRBY', key, field, string.format('-%.0f', by))
  if left and left < 0 then redis.call('HDEL', key, field) end
end

local shapes, key = {}, 3
for at = 5, #ARGV do
  local numbers = {}
  for number in string.gmatch(ARGV[at], '%S+') do numbers[#numbers + 1] = number end
  local budgets, counted, tokens = tonumber(numbers[1]), tonumber(numbers[2]), tonumber(numbers[3])
  local held = table.concat(KEYS, '\n', key, key + budgets + counted - 1)
  local tail = '\n' .. numbers[1] .. '\n' .. held
  shapes[at - 4] =
    { numbers = numbers, budgets = budgets, counted = counted, tokens = tokens, key = key, tail = tail, freed = 0, held = 0, spent = 0, corrections = {} }
  key = key + budgets + counted + tokens
end

local movements, holds, sequence = {}, {}, first - 1
for place, amount, cost, absent, tokens, id in string.gmatch(ARGV[4], '(%d+) (%d+) (%d+) (%d) (%-?%d+) ([^\n]+)') do
  sequence = sequence + 1
  if sequence > seen then
    local shape = shapes[tonumber(place)]
    movements[#movements + 1] = { shape, tonumber(amount), tonumber(cost), absent, tonumber(tokens) }
    holds[#holds + 1] = id .. '\n' .. amount .. shape.tail
  end
end

local stands = redis.call('SMISMEMBER', KEYS[2], unpack(holds))
redis.call('SREM', KEYS[2], unpack(holds))
local gone = {}
for i, movement in ipairs(movements) do
  local shape, standing = movement[1], stands[i] == 1 and not gone[holds[i]]
  gone[holds[i]] = true
  if standing then
    shape.freed = shape.freed + 1
    shape.held = shape.held + movement[2]
  end
  if standing or movement[4] == '1' then
    shape.spent = shape.spent + movement[3]
    if movement[5] ~= 0 then shape.corrections[#shape.corrections + 1] = movement[5] * UNIT end
  end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Each correction by itself: a bucket that was given back too much is full, not more than full.
local function correct(key, tpm, corrections)
  local state = change('HMGET', key, 'k', 't')
  if not state then return end
  local drained = state[2] and tpm * math.max(0, now - tonumber(state[2])) or 0
  local used = tonumber(state[1] or 0) - drained
  for _, correction in ipairs(corrections) do
    if state[2] or used > 0 or correction > 0 then used = math.max(0, used) + correction end
  end
  if state[2] then
    -- k stays as of t: what drained since then is added again. Less than nothing reads as a full bucket.
    redis.call('HSET', key, 'k', used + drained)
  elseif used > 0 then
    redis.call('HSET', key, 'k', used, 't', now)
    redis.call('PEXPIRE', key, DAY)
  end
end

for _, shape in ipairs(shapes) do
  local key, spent = shape.key, string.format('%.0f', shape.spent)
  for i = 1, shape.budgets do
    if shape.held > 0 then lower(KEYS[key], 'held', shape.held) end
    if shape.spent > 0 then
      local total, expires = change('HINCRBY', KEYS[key], 'spent', spent), shape.numbers[3 + i]
      -- The first spend of a window, or of a key that was lost meanwhile.
      if total == shape.spent and expires ~= '0' then redis.call('PEXPIREAT', KEYS[key], expires) end
    end
    key = key + 1
  end
  for _ = 1, shape.counted do
    if shape.freed > 0 then lower(KEYS[key], 'n', shape.freed) end
    key = key + 1
  end
  for i = 1, shape.tokens do
    if #shape.corrections > 0 then correct(KEYS[key], tonumber(shape.numbers[3 + shape.budgets + i]), shape.corrections) end
    key = key + 1
  end
end
if failed > 0 then return { seen, failed } end
return seen
