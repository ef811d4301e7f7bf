-- Judges a request target by the permission in it, before anything else looks at it.
--
-- What is found good is remembered by its raw bytes, so that a URL is checked once by each worker and
-- from then on only compared, and its expiry with the clock. Nothing a client can make up is ever
-- remembered. A reload begins anew, so that a retired key opens nothing from then on.

local bit = require "bit"
local nodes = require "nodes"
local signing = require "signing"

local URL_REGEX = [==[^/(([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])/([0-9a-hjkmnp-tv-z]{2})/([0-9a-hjkmnp-tv-z]{14}\3)_[0-9a-hjkmnp-tv-z]{6})_([a-z])\.([a-z0-9]{1,4})\.((?:0|[1-9a-f][0-9a-f]{0,9}))\.([A-Za-z0-9_-]{24})\.(jpg|png|gif|webp|avif|heic|tif)$(?!\n)]==]
local MALFORMED_REGEX = [==[^(?!/)|[%;?]|/[/.]|[^\x00-\x7f]|^[\s\S]{513}]==]

-- Each worker holds so many URLs, and as many of those before them.
local REMEMBERED_MAX = 16384
local remembered, remembered_before, remembered_count = {}, {}, 0

local YEAR_SECONDS = 31536000
local byte, bor, bxor = string.byte, bit.bor, bit.bxor

-- Takes as long wherever two MACs differ first, which a patient client could measure otherwise.
local function are_equal(one, other)
    local difference = bxor(#one, #other)
    for at = 1, #one do
        difference = bor(difference, bxor(byte(one, at), byte(other, at) or 0))
    end
    return difference == 0
end

-- What a target opens and until when, or nil.
local function judge(target)
    -- 1 stem, 2 volume, 3 shard, 4 photo, 5 size, 6 key, 7 expiry, 8 MAC, 9 ext
    local part = ngx.re.match(target, URL_REGEX, "jo")
    local mac = part and signing.mac(part[6], part[7], part[1], signing.size_class(part[5]))
    if not mac or not are_equal(mac, part[8]) then
        return nil
    end
    return {
        photo_path = part[1] .. "_" .. part[5] .. "." .. part[9],
        verdict = nodes.have(tonumber(part[2])) and "permitted" or "absent",
        ends_at = part[7] ~= "0" and tonumber(part[7], 16) or nil,
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

-- "permitted", "malformed" (400), "forbidden" (403), or "absent" (404) where no node has the volume. Only
-- with a good permission $photo_path is set and, where that ends one day, $photo_cache_control.
function permission.verdict()
    local var = ngx.var
    -- The raw bytes as the client sent them: undecoded, and nothing normalised.
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
    return opened.verdict
end

return permission
