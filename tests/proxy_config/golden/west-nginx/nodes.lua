-- Chooses the node for each try of a request that the cache has no answer to.
--
-- Nodes of this colo come first, then the others. One that did not answer lately comes last: it costs
-- nobody a wait while another has the photo, and is still asked before a request fails. A photo is
-- absent when every node says so. Where one could not say, the request fails, and is not a 404.

local balancer = require "ngx.balancer"
local resolve = require "resolve"

-- For each, its volumes are in ranges, from the first to the last.
local ROUTES = {
    {
        near = {"10.2.0.1:7101"},
        far = {"10.1.0.1:7101"},
        volumes = {{1, 4}, {6, 7}},
    },
    {
        near = {"[fd00:2::2]:7101"},
        far = {"10.1.0.2:7101"},
        volumes = {{5, 5}},
    },
    {
        near = {"[fd00:2::2]:7101"},
        far = {"10.1.0.2:7101", "10.1.0.1:7101"},
        volumes = {{8, 8}},
    },
}
local LEFT_ALONE_SECONDS = 5
local HANG_UP_SECONDS_MAX = 1

-- Addresses of nodes that did not answer, for all workers.
local silent = ngx.shared.silent_nodes

local route_of, node_of = {}, {}
for _, route in ipairs(ROUTES) do
    for _, range in ipairs(route.volumes) do
        for volume = range[1], range[2] do
            route_of[volume] = route
        end
    end
    for _, addresses in ipairs({ route.near, route.far }) do
        for _, address in ipairs(addresses) do
            local host, port = address:match("^(.+):(%d+)$")
            node_of[address] = { host = resolve.address_of(host), port = tonumber(port) }
        end
    end
end

-- All nodes of a route, each once. The same photo begins with the same one of several near nodes.
local function order_of(route, photo_path)
    local first, last = {}, {}
    local function add(address)
        table.insert(silent:get(address) and last or first, address)
    end
    local shift = #route.near > 1 and ngx.crc32_short(photo_path) or 0
    for at = 1, #route.near do
        add(route.near[(at + shift) % #route.near + 1])
    end
    for _, address in ipairs(route.far) do
        add(address)
    end
    for _, address in ipairs(last) do
        first[#first + 1] = address
    end
    return first
end

-- What nginx has noted of the try before this one: "-" where there was none of it.
local function of_last_try(noted)
    return noted:match("([^,: ]+)[,: ]+[^,: ]+$")
end

-- Whether the node of the try before took the request, and hung up at once: so do nodes that stop, and
-- so ends a kept connection that was closed meanwhile.
local function hung_up()
    return of_last_try(ngx.var.upstream_connect_time) ~= "-"
        and tonumber(of_last_try(ngx.var.upstream_response_time)) < HANG_UP_SECONDS_MAX
end

-- Notes why the last node did not do. One that hung up is asked again, once.
local function note_failure(tries)
    if balancer.get_last_failure() == "next" then
        return
    end
    tries.all_absent = false
    if of_last_try(ngx.var.upstream_header_time) ~= "-" then
        return
    end
    local address = tries.order[tries.asked]
    if hung_up() and not tries.again[address] then
        tries.again[address] = true
        tries.asked = tries.asked - 1
        balancer.set_more_tries(1)
    else
        silent:set(address, true, LEFT_ALONE_SECONDS)
    end
end

local nodes = {}

function nodes.volume_of(photo_path)
    return tonumber(photo_path:match("^%d+"))
end

-- Whether a volume is on any node.
function nodes.have(volume)
    return route_of[volume] ~= nil
end

-- Called for each try. Where no node is left it chooses none, and nginx answers 502 or what is stale.
function nodes.choose()
    local tries = ngx.ctx.tries
    if tries then
        note_failure(tries)
    else
        local photo_path = ngx.var.photo_path
        local order = order_of(route_of[nodes.volume_of(photo_path)], photo_path)
        tries = { order = order, asked = 0, all_absent = true, again = {} }
        ngx.ctx.tries = tries
        -- That no server of the upstream block is up means no try to begin with.
        balancer.set_more_tries(#order)
    end
    tries.asked = tries.asked + 1
    local node = node_of[tries.order[tries.asked]]
    if not node then
        return
    end
    if tries.asked == #tries.order and not tries.all_absent then
        -- So that a 404 of the last is not the end: it does not speak for those that failed.
        balancer.set_more_tries(1)
    end
    assert(balancer.set_current_peer(node.host, node.port))
end

return nodes
