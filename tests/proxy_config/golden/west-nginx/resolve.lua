-- Resolves host names when nginx starts, with the resolver of the machine, as nginx does.

local ffi = require "ffi"

ffi.cdef [[
struct edge_addrinfo {
    int flags, family, socktype, protocol;
    unsigned int address_bytes;
    void *address;
    char *canonical_name;
    struct edge_addrinfo *next;
};
int getaddrinfo(const char *host, const char *service, const void *hints, struct edge_addrinfo **found);
void freeaddrinfo(struct edge_addrinfo *found);
int getnameinfo(const void *address, unsigned int address_bytes, char *host, unsigned int host_bytes,
    char *service, unsigned int service_bytes, int flags);
]]

local TEXT_BYTES = 64
local NI_NUMERICHOST = 1

local resolve = {}

-- Returns the address of a host as text, IPv6 in brackets. Raises an error if it has none.
function resolve.address_of(host)
    local found = ffi.new("struct edge_addrinfo *[1]")
    local name = host:gsub("[%[%]]", "")
    if ffi.C.getaddrinfo(name, nil, nil, found) ~= 0 then
        error("no address is known of the node's host " .. name)
    end
    local text = ffi.new("char[?]", TEXT_BYTES)
    local failed = ffi.C.getnameinfo(
        found[0].address, found[0].address_bytes, text, TEXT_BYTES, nil, 0, NI_NUMERICHOST)
    ffi.C.freeaddrinfo(found[0])
    assert(failed == 0)
    local address = ffi.string(text)
    return address:find(":", 1, true) and "[" .. address .. "]" or address
end

return resolve
