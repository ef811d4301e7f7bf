-- Chooses the node for each try of a request that the cache cannot serve.
--
-- Nodes of this colo come first, then the others. A recently unresponsive node comes last, so that it
-- delays no request that another node can serve. A photo is absent only if every node returns 404. If
-- a node failed, the request fails with an error, not with a 404.

local balancer = require "ngx.balancer"
local resolve = require "resolve"

-- Volumes are ranges with a first and a last number.
local ROUTES = {
    {
        near = {"10.1.0.1:7101"},
        far = {"10.2.0.1:7101"},
        volumes = {{1, 4}, {6, 7}},
    },
    {
        near = {"10.1.0.2:7101"},
        far = {"[fd00:2::2]:7101"},
        volumes = {{5, 5}},
    },
    {
        near = {"10.1.0.2:7101", "10.1.0.1:7101"},
        far = {"[fd00:2::2]:7101"},
        volumes = {{8, 8}},
    },
}
local LEFT_ALONE_SECONDS = 5
local HANG_UP_SECONDS_MAX = 1

-- Addresses of unresponsive nodes, shared by all workers.
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

-- All nodes of a route, each once. A photo always starts at the same one of several near nodes.
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

-- Value of an upstream variable for the previous try: "-" if it has none.
local function of_last_try(noted)
    return noted:match("([^,: ]+)[,: ]+[^,: ]+$")
end

-- True if the previous node accepted the request and closed the connection at once. A node that stops
-- does this, and so does an idle connection that the node has already closed.
local function hung_up()
    return of_last_try(ngx.var.upstream_connect_time) ~= "-"
        and tonumber(of_last_try(ngx.var.upstream_response_time)) < HANG_UP_SECONDS_MAX
end

-- Records the failure of the last node. A node that closed the connection is tried once again.
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

-- True if any node has the volume.
function nodes.have(volume)
    return route_of[volume] ~= nil
end

-- Called for each try. If no node is left, it chooses none, and nginx returns 502 or a stale copy.
function nodes.choose()
    local tries = ngx.ctx.tries
    if tries then
        note_failure(tries)
    else
        local photo_path = ngx.var.photo_path
        local order = order_of(route_of[nodes.volume_of(photo_path)], photo_path)
        tries = { order = order, asked = 0, all_absent = true, again = {} }
        ngx.ctx.tries = tries
        -- The upstream block has no server that is up, so nginx starts with no tries.
        balancer.set_more_tries(#order)
    end
    tries.asked = tries.asked + 1
    local node = node_of[tries.order[tries.asked]]
    if not node then
        return
    end
    if tries.asked == #tries.order and not tries.all_absent then
        -- A 404 of the last node is not conclusive, because another node failed.
        balancer.set_more_tries(1)
    end
    assert(balancer.set_current_peer(node.host, node.port))
end

return nodes
