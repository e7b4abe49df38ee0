-- Appends records to a tenant's audit log in the order given, each once by its id, and trims what is over.
-- KEYS  1 log (stream: i id, x indexes, r record)   2 ids (zset)   3.. indexes of these records (zset)
-- ARGV  1 most records   2 retention, ms   then for each record: its id, the record, the names of its indexes, one a line
--       (an index's key is the log's, ":", the name)
-- Gives how many records were not there before.
-- A record's place is its time in the log in 1/1024 ms: the score of its id in every zset, and its stream id as
-- <place / 1024>-<place % 1024>. Trimmed records (a batch at a time, at most 128, or two for one appended) take their index
-- entries and content along; those keys are named by the record, share its slot, and are not declared.

local TRIM, SELDOM, BATCH = 2, 16, 64
local log, ids = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function stream_id(place)
  return string.format('%.0f-%.0f', math.floor(place / 1024), place % 1024)
end

local function field(entry, name)
  for at = 1, #entry[2], 2 do
    if entry[2][at] == name then return entry[2][at + 1] end
  end
  return ''
end

-- Lists by key, for commands that take many members at once.
local function push(lists, key, ...)
  local list = lists[key]
  if not list then
    list = {}
    lists[key] = list
  end
  for _, value in ipairs({ ... }) do list[#list + 1] = value end
end

-- Names of indexes → their keys.
local keys_of = {}
local function index_keys(names)
  local keys = keys_of[names]
  if not keys then
    keys = {}
    for name in string.gmatch(names, '[^\n]+') do keys[#keys + 1] = log .. ':' .. name end
    keys_of[names] = keys
  end
  return keys
end

-- Drops `gone`, the oldest records, and all that stands before `last`, the place of their last. Places are the scores of
-- every index, so that each is cut in one go instead of being searched for every record.
local function drop(gone, first, last)
  local contents, cut = {}, {}
  for _, entry in ipairs(redis.call('XRANGE', log, stream_id(first), stream_id(last), 'COUNT', #gone)) do
    for _, key in ipairs(index_keys(field(entry, 'x'))) do cut[key] = true end
  end
  local behind = string.format('%.0f', last)
  for key in pairs(cut) do redis.call('ZREMRANGEBYSCORE', key, '-inf', behind) end
  redis.call('XTRIM', log, 'MINID', stream_id(last + 1))
  redis.call('ZREMRANGEBYSCORE', ids, '-inf', behind)
  for at, id in ipairs(gone) do contents[at] = log .. ':c:' .. id end
  redis.call('UNLINK', unpack(contents))
end

local asked = {}
for at = 3, #ARGV, 3 do asked[#asked + 1] = ARGV[at] end
local known = redis.call('ZMSCORE', ids, unpack(asked))
local newest = redis.call('ZREVRANGE', ids, 0, 0, 'WITHSCORES')
local next_place = math.max(now * 1024, newest[2] and tonumber(newest[2]) + 1 or 0)
local seldom, seen, added, scores, indexed = not newest[2], {}, 0, {}, {}

for i, id in ipairs(asked) do
  if not known[i] and not seen[id] then
    local text, names, place = ARGV[3 * i + 1], ARGV[3 * i + 2], next_place
    local entry = redis.pcall('XADD', log, stream_id(place), 'i', id, 'x', names, 'r', text)
    if type(entry) == 'table' then
      -- Somebody removed the ids but not the log: go on behind its end.
      local ms, sequence = string.match(redis.call('XADD', log, '*', 'i', id, 'x', names, 'r', text), '(%d+)-(%d+)')
      place = tonumber(ms) * 1024 + math.min(tonumber(sequence), 1023)
    end
    scores[#scores + 1] = place
    scores[#scores + 1] = id
    for _, key in ipairs(index_keys(names)) do push(indexed, key, place, id) end
    next_place = place + 1
    seldom = seldom or place % SELDOM == 0
    seen[id] = true
    added = added + 1
  end
end
if added == 0 then return 0 end

redis.call('ZADD', ids, unpack(scores))
for key, members in pairs(indexed) do
  redis.call('ZADD', key, unpack(members))
  redis.call('PEXPIRE', key, ARGV[2])
end
if seldom then
  redis.call('PEXPIRE', log, ARGV[2])
  redis.call('PEXPIRE', ids, ARGV[2])
end

-- Over the bound by less than a batch: it can wait. Trimming one by one would cost as much again as appending.
local bound = tonumber(ARGV[1])
local over = redis.call('ZCARD', ids) - bound
if over < math.min(BATCH, math.floor(bound / 100)) then over = 0 end
local most = math.max(math.min(over, TRIM * math.max(added, BATCH)), seldom and TRIM * added or 0)
if most <= 0 then return added end
local oldest = (now - tonumber(ARGV[2])) * 1024
local first, gone, last = redis.call('ZRANGE', ids, 0, most - 1, 'WITHSCORES'), {}, nil
for at = 1, #first, 2 do
  local place = tonumber(first[at + 1])
  if (at + 1) / 2 > over and place >= oldest then break end
  gone[#gone + 1] = first[at]
  last = place
end
if last then drop(gone, tonumber(first[2]), last) end
return added
