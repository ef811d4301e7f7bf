-- Turns the photo path of an X-Accel-Redirect into a permission URL, which is what a node wants.

local nodes = require "nodes"
local signing = require "signing"

local URL_REGEX = [==[^/(([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])/([0-9a-hjkmnp-tv-z]{2})/([0-9a-hjkmnp-tv-z]{14}\3)_[0-9a-hjkmnp-tv-z]{6})_([a-z])\.([a-z0-9]{1,4})\.((?:0|[1-9a-f][0-9a-f]{0,9}))\.([A-Za-z0-9_-]{24})\.(jpg|png|gif|webp|avif|heic|tif)$(?!\n)]==]
-- The oldest key that verifies: every node has it.
local KEY_ID = "a"

local reproxy = {}

-- The permission URL, or "" if it is no photo path, or no node has its volume. Sets what permission.lua
-- sets; who may keep the answer is for the application to say, and if it does not, nobody but the
-- client may.
function reproxy.sign(path)
    local stem, letter, ext = path:match("^([^.]+)_([^.])%.([^.]+)$")
    local mac = stem and signing.mac(KEY_ID, "0", stem, signing.size_class(letter))
    if not mac then
        return ""
    end
    local url = "/" .. table.concat({stem .. "_" .. letter, KEY_ID, "0", mac, ext}, ".")
    if not ngx.re.find(url, URL_REGEX, "jo") or not nodes.have(nodes.volume_of(path)) then
        return ""
    end
    ngx.var.photo_path = path
    ngx.var.photo_cache_control = "private"
    return url
end

return reproxy
