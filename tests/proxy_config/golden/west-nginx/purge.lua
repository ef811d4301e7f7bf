-- Purges photos by removing their files from the cache, or drops the whole cache by renaming its
-- directories. nginx treats a missing file as a cache miss, so this is safe at any time and in any
-- worker, and idempotent.
--
-- A fetch that is under way at a purge ends with a file in the cache if the edge's kernel had all its
-- bytes before the node could abort it. Each purge therefore gives its photo another key for a while.

local CACHE_DIR = "/srv/cache"
local PATHS_MAX = 100
local URL_REGEX = [==[^/(([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])/([0-9a-hjkmnp-tv-z]{2})/([0-9a-hjkmnp-tv-z]{14}\3)_[0-9a-hjkmnp-tv-z]{6})_([a-z])\.([a-z0-9]{1,4}(?:-(?=[wlo1-9])(?:w[lo]?|lo?|o)?(?:[1-9][0-9]{0,3})?)?)\.((?:0|[1-9a-f][0-9a-f]{0,9}))\.([A-Za-z0-9_-]{24})\.(jpg|png|gif|webp|avif|heic|tif)$(?!\n)]==]
local ENOENT = 2
-- Longer than any fetch takes.
local MARK_SECONDS = 600

local marks = ngx.shared.purged

-- A path is a photo path if it forms a permission URL with a well-formed permission.
local function is_photo_path(path)
    local left, ext = path:match("^([^.]+)%.([^.]+)$")
    local url = left and "/" .. table.concat({left, "a", "0", ("A"):rep(24), ext}, ".")
    return url and ngx.re.find(url, URL_REGEX, "jo")
end

-- Removes the copy with a cache key; true if there was one. The file name is the MD5, levels=1:2.
local function remove(key)
    local name = ngx.md5(key)
    local file = table.concat({CACHE_DIR, name:sub(-1), name:sub(-3, -2), name}, "/")
    local done, why, number = os.remove(file)
    assert(done or number == ENOENT, why)
    return done
end

-- Removes the copies of a photo. Copies that are still to come get no reader.
local function forget(path)
    local before = marks:get(path)
    assert(marks:set(path, "#" .. assert(marks:incr("purges", 1, 0)), MARK_SECONDS))
    local removed = before and remove(path .. before)
    return remove(path) or removed
end

local function say(status, text)
    ngx.status = status
    ngx.header["Content-Length"] = #text
    ngx.print(text)
end

local purge = {}

-- Returns what the cache key of a photo has behind its path since the last purge, or nil.
function purge.mark_of(path)
    return marks:get(path)
end

-- Handles a POST with one photo path per line: {"purged": number removed, "absent": number not cached}.
function purge.answer()
    if ngx.req.get_method() ~= "POST" then
        ngx.header["Allow"] = "POST"
        return say(405, "method not allowed\n")
    end
    ngx.req.read_body()
    local paths = {}
    for path in (ngx.req.get_body_data() or ""):gmatch("[^\n]+") do
        if not is_photo_path(path) then
            return say(400, "bad request\n")
        end
        paths[#paths + 1] = path
    end
    if #paths == 0 or #paths > PATHS_MAX then
        return say(400, "bad request\n")
    end
    local purged = 0
    for _, path in ipairs(paths) do
        purged = purged + (forget(path) and 1 or 0)
    end
    ngx.header["Content-Type"] = "application/json"
    say(200, ('{"purged":%d,"absent":%d}\n'):format(purged, #paths - purged))
end

-- Handles a POST that drops the whole cache. The bytes are removed afterwards.
function purge.drop()
    if ngx.req.get_method() ~= "POST" then
        ngx.header["Allow"] = "POST"
        return say(405, "method not allowed\n")
    end
    local unique = ("-%d-%d"):format(ngx.now() * 1000, ngx.worker.pid())
    for digit in ("0123456789abcdef"):gmatch(".") do
        local dropped = CACHE_DIR .. "/dropped-" .. digit .. unique
        local done, why, number = os.rename(CACHE_DIR .. "/" .. digit, dropped)
        assert(done or number == ENOENT, why)
    end
    os.execute("rm -rf " .. CACHE_DIR .. "/dropped-* >/dev/null 2>&1 &")
    say(200, "ok\n")
end

return purge
