-- Chooses the node for each try of a request that the cache cannot serve.
--
-- Nodes of this colo come first, then the others. A recently unresponsive node comes last, so that it
-- delays no request that another node can serve. A photo is absent only if every node returns 404. If
-- a node failed, the request fails with an error, not with a 404.

local balancer = require "ngx.balancer"
local resolve = require "resolve"
local routes = require "routes"

local LEFT_ALONE_SECONDS = 5
local HANG_UP_SECONDS_MAX = 1

-- Addresses of unresponsive nodes, shared by all workers.
local silent = ngx.shared.silent_nodes

local node_of = {}
for _, address in ipairs(routes.nodes) do
    local host, port = address:match("^(.+):(%d+)$")
    node_of[address] = { host = resolve.address_of(host), port = tonumber(port) }
end

-- The number in a column of a volume's row, or nil if the table ends before it.
local function number_in(volume, column)
    local before = (volume - 1) * routes.row_bytes + column * routes.digits
    return tonumber(routes.rows:sub(before + 1, before + routes.digits))
end

-- All nodes of a volume, each once. A photo always starts at the same one of several near nodes.
local function order_of(volume, photo_path)
    local first, last = {}, {}
    local near_count, count = number_in(volume, 0), number_in(volume, 1)
    local shift = near_count > 1 and ngx.crc32_short(photo_path) or 0
    for at = 0, count - 1 do
        local column = at < near_count and (at + shift) % near_count or at
        local address = routes.nodes[number_in(volume, 2 + column)]
        table.insert(silent:get(address) and last or first, address)
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
    return (number_in(volume, 1) or 0) > 0
end

-- Called for each try. If no node is left, it chooses none, and nginx returns 502 or a stale copy.
function nodes.choose()
    local tries = ngx.ctx.tries
    if tries then
        note_failure(tries)
    else
        local photo_path = ngx.var.photo_path
        local order = order_of(nodes.volume_of(photo_path), photo_path)
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
