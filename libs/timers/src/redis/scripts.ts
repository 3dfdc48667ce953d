/**
 * Arming on Redis, many wake-ups in one script: BullMQ's own addDelayedJob and changeDelay do one each, keep an event of
 * it, and cost four times as much in Redis and ten times as much in Node. These write what those would write: the hash of
 * the job, its score in the sorted set of the delayed ones (epoch ms * 4096), and the marker that a worker sleeps on.
 *
 * KEYS  delayed, marker
 * ARGV  prefix of the jobs' keys, name, opts, now, then id and instant in turns
 */

/** BullMQ keeps twelve bits of order within a millisecond below the instant; wakes of one instant have no order here. */
const SCORES_PER_MS = 0x1000;

const STORE_JOB = `
local function store(id, data, at)
  redis.call('HSET', ARGV[1] .. id, 'name', ARGV[2], 'data', data, 'opts', ARGV[3], 'timestamp', ARGV[4],
    'delay', 0, 'priority', 0)
  redis.call('ZADD', KEYS[1], at * ${SCORES_PER_MS}, id)
end`;

/** The worker pops the marker and sleeps until its score, so it must be that of the next one due. */
const SET_MARKER = `
local nextDue = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if nextDue[2] then redis.call('ZADD', KEYS[2], nextDue[2] / ${SCORES_PER_MS}, '1') end`;

/** Moves, adds, or adds a second one. Answers how many of each. */
export const ARM = `${STORE_JOB}
local moved, added, doubled = 0, 0, 0
for i = 5, #ARGV, 2 do
  local id, at = ARGV[i], ARGV[i + 1]
  if redis.call('ZSCORE', KEYS[1], id) then
    redis.call('ZADD', KEYS[1], at * ${SCORES_PER_MS}, id)
    moved = moved + 1
  elseif redis.call('EXISTS', ARGV[1] .. id) == 0 then
    store(id, '{}', at)
    added = added + 1
  else
    local second = id .. '@' .. at
    if redis.call('EXISTS', ARGV[1] .. second) == 0 then store(second, cjson.encode({ id = id }), at) end
    doubled = doubled + 1
  end
end
${SET_MARKER}
return { moved, added, doubled }`;

/** Adds those that have no job in any state. Answers how many. */
export const ADD_ABSENT = `${STORE_JOB}
local added = 0
for i = 5, #ARGV, 2 do
  local id, at = ARGV[i], ARGV[i + 1]
  if redis.call('EXISTS', ARGV[1] .. id) == 0 then
    store(id, '{}', at)
    added = added + 1
  end
end
${SET_MARKER}
return added`;

/**
 * Writes the queue's mark beside BullMQ's metadata of it, which an emptied Redis has lost as well.
 * KEYS meta; ARGV field, mark, expected or '', then BullMQ's own fields and values in turns
 */
export const SET_MARK = `
if ARGV[3] ~= '' and redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], unpack(ARGV, 4))
return 1`;
