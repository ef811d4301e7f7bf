-- Computes MACs of read permissions, with the HMAC of the OpenSSL library that nginx links.
--
-- keys.lua has the read keys and the class of each size. It is loaded at every start and reload.

local ffi = require "ffi"
local keys = require "keys"

ffi.cdef [[
const void *EVP_sha256(void);
unsigned char *HMAC(const void *digest, const void *key, int key_bytes,
    const unsigned char *text, size_t text_bytes, unsigned char *made, unsigned int *made_bytes);
]]

local MAC_BYTES = 18
local sha256 = ffi.C.EVP_sha256()
local made = ffi.new("unsigned char[32]")

local read_keys = {}
for key_id, hex in pairs(keys.read_keys) do
    read_keys[key_id] = hex:gsub("..", function(byte) return string.char(tonumber(byte, 16)) end)
end

local function mac_with(key, text)
    assert(ffi.C.HMAC(sha256, key, #key, text, #text, made, nil) ~= nil)
    local mac = ngx.encode_base64(ffi.string(made, MAC_BYTES))
    return (mac:gsub("%+", "-"):gsub("/", "_"))
end

-- Returns the key that a URL names, or nil. A restricted key derives from its read key.
local function key_of(url_key)
    local key_id, restriction = url_key:match("^(.-)%-(.+)$")
    local read_key = read_keys[key_id or url_key]
    return read_key and restriction and mac_with(read_key, restriction) or read_key
end

local signing = {}

-- Returns the MAC for a size class of a photo version, or nil if the key or the class is unknown, or
-- if the key is restricted to other classes.
function signing.mac(url_key, expiry, stem, size_class)
    local key = key_of(url_key)
    if not key or not size_class then
        return nil
    end
    local classes = url_key:match("%-(%a+)")
    if classes and not classes:find(size_class:sub(1, 1), 1, true) then
        return nil
    end
    return mac_with(key, expiry .. "/" .. stem .. "/" .. size_class)
end

-- Returns the longest time that a URL with this key may have left, or nil if it is not restricted.
function signing.seconds_max(url_key)
    local hours = url_key:match("%-%a*(%d+)$")
    return hours and tonumber(hours) * 3600 + 600
end

-- Returns the class of a size letter, or nil.
function signing.size_class(letter)
    return keys.size_classes[letter]
end

return signing
