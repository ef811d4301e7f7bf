-- Requests the paths in a file in turn, repeatedly, and prints the result as JSON. Arguments: the file
-- and the number of threads.

local threads = 0

-- Each thread starts at its own part of the file, so that no two threads request the same path early.
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
