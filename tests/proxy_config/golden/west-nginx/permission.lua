-- Verifies the permission of a request target before any other processing.
--
-- Each worker caches valid targets by their raw bytes. A cached target needs only a comparison and a
-- check of its expiry. Invalid targets are never cached, so that clients cannot fill the cache. A
-- reload starts with an empty cache, so that a retired key takes effect.

local bit = require "bit"
local nodes = require "nodes"
local purge = require "purge"
local signing = require "signing"

local URL_REGEX = [==[^/(([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])/([0-9a-hjkmnp-tv-z]{2})/([0-9a-hjkmnp-tv-z]{14}\3)_[0-9a-hjkmnp-tv-z]{6})_([a-z])\.([a-z0-9]{1,4}(?:-(?=[wlo1-9])(?:w[lo]?|lo?|o)?(?:[1-9][0-9]{0,3})?)?)\.((?:0|[1-9a-f][0-9a-f]{0,9}))\.([A-Za-z0-9_-]{24})\.(jpg|png|gif|webp|avif|heic|tif)$(?!\n)]==]
local MALFORMED_REGEX = [==[^(?!/)|[%;?]|/[/.]|[^\x00-\x7f]|^[\s\S]{513}]==]

-- Entries of each of the two generations of a worker's cache.
local REMEMBERED_MAX = 16384
local remembered, remembered_before, remembered_count = {}, {}, 0

local YEAR_SECONDS = 31536000
local byte, bor, bxor = string.byte, bit.bor, bit.bxor

-- Compares in constant time, so that the duration does not reveal where two MACs differ.
local function are_equal(one, other)
    local difference = bxor(#one, #other)
    for at = 1, #one do
        difference = bor(difference, bxor(byte(one, at), byte(other, at) or 0))
    end
    return difference == 0
end

-- Returns the photo of a valid target and its expiry, or nil.
local function judge(target)
    -- 1 stem, 2 volume, 3 shard, 4 photo, 5 size, 6 key, 7 expiry, 8 MAC, 9 ext
    local part = ngx.re.match(target, URL_REGEX, "jo")
    local mac = part and signing.mac(part[6], part[7], part[1], signing.size_class(part[5]))
    if not mac or not are_equal(mac, part[8]) then
        return nil
    end
    local ends_at = part[7] ~= "0" and tonumber(part[7], 16) or nil
    -- The time that is left only gets shorter, so a cached target needs no other look at this.
    local seconds_max = signing.seconds_max(part[6])
    if seconds_max and (not ends_at or ends_at - ngx.now() > seconds_max) then
        return nil
    end
    return {
        photo_path = part[1] .. "_" .. part[5] .. "." .. part[9],
        verdict = nodes.have(tonumber(part[2])) and "permitted" or "unknown",
        ends_at = ends_at,
    }
end

local function remember(target, opened)
    if remembered_count == REMEMBERED_MAX then
        remembered, remembered_before, remembered_count = {}, remembered, 0
    end
    remembered[target] = opened
    remembered_count = remembered_count + 1
end

local permission = {}

-- Returns "permitted", "malformed" (400), "forbidden" (403), or "unknown" (503, only a newer map
-- has the volume of the valid URL).
-- Sets $photo_path only for a valid permission, $photo_cache_control if the permission expires, and
-- $purge_mark if the photo was purged.
function permission.verdict()
    local var = ngx.var
    -- The raw bytes from the client, neither decoded nor normalized.
    local target = var.request_uri
    local opened = remembered[target]
    if not opened then
        opened = remembered_before[target] or judge(target)
        if not opened then
            return ngx.re.find(target, MALFORMED_REGEX, "jo") and "malformed" or "forbidden"
        end
        remember(target, opened)
    end
    if opened.ends_at then
        local left_seconds = opened.ends_at - ngx.now()
        if left_seconds <= 0 then
            return "forbidden"
        end
        var.photo_cache_control =
            "public, max-age=" .. math.floor(math.min(left_seconds, YEAR_SECONDS))
    end
    var.photo_path = opened.photo_path
    local mark = purge.mark_of(opened.photo_path)
    if mark then
        var.purge_mark = mark
    end
    return opened.verdict
end

return permission
