-- Converts the photo path of an X-Accel-Redirect to a permission URL, which a node requires.

local nodes = require "nodes"
local purge = require "purge"
local signing = require "signing"

local URL_REGEX = [==[^/(([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])/([0-9a-hjkmnp-tv-z]{2})/([0-9a-hjkmnp-tv-z]{14}\3)_[0-9a-hjkmnp-tv-z]{6})_([a-z])\.([a-z0-9]{1,4}(?:-(?=[wlo1-9])(?:w[lo]?|lo?|o)?(?:[1-9][0-9]{0,3})?)?)\.((?:0|[1-9a-f][0-9a-f]{0,9}))\.([A-Za-z0-9_-]{24})\.(jpg|png|gif|webp|avif|heic|tif)$(?!\n)]==]
-- The oldest accepted key: every node has it.
local KEY_ID = "a"

local reproxy = {}

-- Returns the permission URL, "" for an invalid photo path, or "unknown" for a volume that is not in the
-- table. Sets the variables
-- that permission.lua sets. The application decides who can cache the response; by default only the
-- client.
function reproxy.sign(path)
    local stem, letter, ext = path:match("^([^.]+)_([^.])%.([^.]+)$")
    local mac = stem and signing.mac(KEY_ID, "0", stem, signing.size_class(letter))
    if not mac then
        return ""
    end
    local url = "/" .. table.concat({stem .. "_" .. letter, KEY_ID, "0", mac, ext}, ".")
    if not ngx.re.find(url, URL_REGEX, "jo") then
        return ""
    end
    if not nodes.have(nodes.volume_of(path)) then
        return "unknown"
    end
    ngx.var.photo_path = path
    ngx.var.purge_mark = purge.mark_of(path) or ""
    ngx.var.photo_cache_control = "private"
    return url
end

return reproxy
