-- Asks for the paths in a file (its name is the argument), in turn, for ever; tells the result as JSON.

local threads = 0

-- Threads begin at different paths, so that they do not ask for the same one at the same moment.
function setup(thread)
  thread:set("first", threads * 61)
  threads = threads + 1
end

function init(args)
  requests = {}
  for path in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", path)
  end
  place = first
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
