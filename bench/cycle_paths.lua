-- Asks for the paths in a file, in turn, for ever; tells the result as JSON. Its arguments are the
-- file and how many threads there are.

local threads = 0

-- Threads begin far from each other: no two ask for a path before one has been through its share.
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  requests = {}
  for path in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", path)
  end
  place = number * math.floor(#requests / tonumber(args[2]))
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "bytes": %d, "failed": %d}\n',
    summary.requests, summary.duration, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
