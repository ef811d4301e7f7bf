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

local signing = {}

-- Returns the MAC for a size class of a photo version, or nil if the key or the class is unknown.
function signing.mac(key_id, expiry, stem, size_class)
    local read_key = read_keys[key_id]
    if not read_key or not size_class then
        return nil
    end
    local text = expiry .. "/" .. stem .. "/" .. size_class
    assert(ffi.C.HMAC(sha256, read_key, #read_key, text, #text, made, nil) ~= nil)
    local mac = ngx.encode_base64(ffi.string(made, MAC_BYTES))
    return (mac:gsub("%+", "-"):gsub("/", "_"))
end

-- Returns the class of a size letter, or nil.
function signing.size_class(letter)
    return keys.size_classes[letter]
end

return signing
