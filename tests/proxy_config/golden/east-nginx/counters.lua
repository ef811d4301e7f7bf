-- Counts requests for Prometheus, by cache status and code.
--
-- Each worker counts in its own memory, which costs a hit almost nothing, and adds its counts to the
-- shared memory once a second. A worker that is killed loses up to a second of them.

local shared = ngx.shared.counters
local BOUNDS_SECONDS = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
local MAP_DIGEST = "4a7517e892f9ef52"
-- By cache status. Numbers only: each text that a request makes costs as much as all of them.
local counts = {}

local function counts_of(cache)
    local found = counts[cache]
    if not found then
        found = {requests = {}, bytes = {}, durations = {}, seconds = 0}
        counts[cache] = found
    end
    return found
end

local function add(numbers, key, number)
    numbers[key] = (numbers[key] or 0) + number
end

local counters = {}

-- Counts a request that has ended.
function counters.count()
    local found, code = counts_of(ngx.var.upstream_cache_status or "none"), ngx.status
    local seconds = ngx.now() - ngx.req.start_time()
    local bucket = 1
    while bucket <= #BOUNDS_SECONDS and seconds > BOUNDS_SECONDS[bucket] do
        bucket = bucket + 1
    end
    add(found.requests, code, 1)
    add(found.bytes, code, tonumber(ngx.var.bytes_sent) or 0)
    add(found.durations, bucket, 1)
    found.seconds = found.seconds + seconds
end

-- Adds the counts of this worker to the shared memory.
local function flush()
    local flushed = counts
    counts = {}
    for cache, found in pairs(flushed) do
        for code, number in pairs(found.requests) do
            shared:incr("r " .. cache .. " " .. code, number, 0)
            shared:incr("b " .. cache .. " " .. code, found.bytes[code], 0)
        end
        for bucket, number in pairs(found.durations) do
            shared:incr("d " .. cache .. " " .. (BOUNDS_SECONDS[bucket] or "+Inf"), number, 0)
        end
        shared:incr("s " .. cache, found.seconds, 0)
    end
end

-- Starts the worker's timer.
function counters.start()
    assert(ngx.timer.every(1, flush))
end

local function label(cache)
    return cache:lower()
end

local function duration_lines(lines, values)
    local name = "glassplate_edge_request_duration_seconds"
    lines[#lines + 1] = "# HELP " .. name .. " Time from the first byte of a request to the last of its response."
    lines[#lines + 1] = "# TYPE " .. name .. " histogram"
    for key, seconds in pairs(values) do
        local cache = key:match("^s (%S+)$")
        if cache then
            local total = 0
            for at = 1, #BOUNDS_SECONDS + 1 do
                local bound = BOUNDS_SECONDS[at] or "+Inf"
                total = total + (values["d " .. cache .. " " .. bound] or 0)
                lines[#lines + 1] = ('%s_bucket{cache="%s",le="%s"} %d'):format(name, label(cache), bound, total)
            end
            lines[#lines + 1] = ('%s_count{cache="%s"} %d'):format(name, label(cache), total)
            lines[#lines + 1] = ('%s_sum{cache="%s"} %.3f'):format(name, label(cache), seconds)
        end
    end
end

local function total_lines(lines, values, letter, name, help)
    lines[#lines + 1] = "# HELP " .. name .. " " .. help
    lines[#lines + 1] = "# TYPE " .. name .. " counter"
    for key, number in pairs(values) do
        local cache, code = key:match("^" .. letter .. " (%S+) (%d+)$")
        if cache then
            lines[#lines + 1] = ('%s{cache="%s",code="%s"} %d'):format(name, label(cache), code, number)
        end
    end
end

-- Answers GET /metrics on the purge port.
function counters.answer()
    flush()
    local values = {}
    for _, key in ipairs(shared:get_keys(0)) do
        values[key] = shared:get(key)
    end
    local lines = {}
    total_lines(lines, values, "r", "glassplate_edge_requests_total", "Number of requests.")
    total_lines(lines, values, "b", "glassplate_edge_sent_bytes_total", "Bytes of responses, with their heads.")
    duration_lines(lines, values)
    lines[#lines + 1] = "# HELP glassplate_edge_connections Number of open connections."
    lines[#lines + 1] = "# TYPE glassplate_edge_connections gauge"
    for _, state in ipairs({"reading", "writing", "waiting"}) do
        lines[#lines + 1] = ('glassplate_edge_connections{state="%s"} %s'):format(
            state, ngx.var["connections_" .. state] or 0)
    end
    lines[#lines + 1] = "# HELP glassplate_edge_info Always 1: a digest of the volume map."
    lines[#lines + 1] = "# TYPE glassplate_edge_info gauge"
    lines[#lines + 1] = ('glassplate_edge_info{map="%s"} 1'):format(MAP_DIGEST)
    local text = table.concat(lines, "\n") .. "\n"
    ngx.header["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
    ngx.header["Content-Length"] = #text
    ngx.print(text)
end

function counters.answer_health()
    ngx.header["Content-Length"] = 3
    ngx.header["Glassplate-Map"] = MAP_DIGEST
    ngx.header["Glassplate-Keys"] = "c7b90dfb0b08616f"
    ngx.print("ok\n")
end

return counters
