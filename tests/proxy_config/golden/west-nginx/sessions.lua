-- Marks of storagemasters, which tell a later process whether this edge can have missed a purge of an
-- earlier one.
--
--   GET /sessions/{master}           the mark of a storagemaster
--   PUT /sessions/{master}/{mark}    replaces it durably

local ffi = require "ffi"

ffi.cdef [[
int open(const char *path, int flags, ...);
int fsync(int file);
int close(int file);
]]

-- nginx creates this directory, and its workers own it.
local DIRECTORY = "/run/edge/client-body"
local MASTER = "^/sessions/([a-z][a-z0-9-]*)$"
local MASTER_AND_MARK = "^/sessions/([a-z][a-z0-9-]*)/([a-z0-9]+)$"

local function path_of(master)
    return DIRECTORY .. "/session-" .. master
end

local function sync(path)
    local file = ffi.C.open(path, 0)
    assert(file >= 0 and ffi.C.fsync(file) == 0, path)
    ffi.C.close(file)
end

local function read(master)
    local file = io.open(path_of(master), "r")
    local mark = file and file:read("*a")
    if file then
        file:close()
    end
    return mark
end

local function write(master, mark)
    local fresh = path_of(master) .. ".new"
    local file = assert(io.open(fresh, "w"))
    assert(file:write(mark))
    assert(file:close())
    sync(fresh)
    assert(os.rename(fresh, path_of(master)))
    sync(DIRECTORY)
end

local sessions = {}

function sessions.answer()
    local method, path = ngx.req.get_method(), ngx.var.uri
    local master, mark = path:match(MASTER_AND_MARK)
    if method == "PUT" and master then
        write(master, mark)
    elseif method == "GET" and path:match(MASTER) then
        mark = read(path:match(MASTER))
    end
    local text = mark or "not found\n"
    ngx.status = mark and 200 or 404
    ngx.header["Content-Length"] = #text
    ngx.print(text)
end

return sessions
