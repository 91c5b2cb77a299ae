"""What Redis does in one step: Lua scripts of `redis.RedisBus`."""

LEASE = """
local held = redis.call('GET', KEYS[1])
if held and string.match(held, '^%d+:(.*)$') ~= ARGV[1] then return false end
local time = redis.call('TIME')
local fence = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, time[1] * 1000000 + time[2])
fence = string.format('%.0f', fence)
redis.call('SET', KEYS[2], fence)
redis.call('SET', KEYS[1], fence .. ':' .. ARGV[1], 'PX', ARGV[2])
return fence
"""
RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"
COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count
"""
SHARE = """
local prefix, own, names, others = ARGV[1], KEYS[2], {}, {}
for n = 4, #ARGV, 4 do
    names[#names + 1] = ARGV[n]
    others[#others + 1] = 0
end
local reply = {redis.call('EXISTS', own)}
redis.call('SADD', KEYS[1], ARGV[2])
redis.call('HSET', own, '', 1)
redis.call('PEXPIRE', own, ARGV[3])
for _, holder in ipairs(redis.call('SMEMBERS', KEYS[1])) do
    local key = prefix .. holder
    if key == own then
        -- counted apart
    elseif redis.call('EXISTS', key) == 0 then
        redis.call('SREM', KEYS[1], holder)
    elseif #names > 0 then
        for n, part in ipairs(redis.call('HMGET', key, unpack(names))) do
            if part then others[n] = others[n] + tonumber(part) end
        end
    end
end
for n, name in ipairs(names) do
    local amount, limit = tonumber(ARGV[4 * n + 1]), tonumber(ARGV[4 * n + 2])
    local least = tonumber(ARGV[4 * n + 3])
    if limit then amount = math.min(amount, math.max(limit - others[n], least)) end
    if amount == 0 then
        redis.call('HDEL', own, name)
    else
        redis.call('HSET', own, name, amount)
    end
    reply[#reply + 1] = amount
    reply[#reply + 1] = others[n]
end
return reply
"""
"""A hash for each holder, which ends with it. Its empty field keeps it there while it has no parts."""
DRAW = """
local time, levels = redis.call('TIME'), {}
local now = time[1] * 1000000 + time[2]
for n, key in ipairs(KEYS) do
    local count, rate = tonumber(ARGV[2 * n]), tonumber(ARGV[2 * n + 1])
    local level, known = rate, redis.call('GET', key)
    if known then
        local before, at = string.match(known, '^(%S+) (%S+)$')
        level = math.min(rate, before + math.max(0, now - at) / 1000000 * rate)
    end
    level = math.max(level - count, -rate)
    redis.call('SET', key, string.format('%.6f %.0f', level, now), 'PX', ARGV[1])
    levels[n] = string.format('%.6f', level)
end
return levels
"""
