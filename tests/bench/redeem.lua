-- Redeems the references of a file, each once until there are no more; `backwards` begins at the
-- end. With `-` for a file: the request as a server behind a proxy gets it, 4 KiB in the query.

delay = require("requests").delay

local targets = {}

function init(arguments)
  if arguments[1] == "-" then
    targets[1] = "/authorize?response_type=code&client_id=s6BhdRkqt3&claims=" .. string.rep("x", 4040)
    return
  end
  for reference in io.lines(arguments[1]) do
    local escaped = reference:gsub(":", "%%3A")
    targets[#targets + 1] = "/authorize?client_id=s6BhdRkqt3&request_uri=" .. escaped
  end
  if arguments[2] == "backwards" then
    local last = #targets
    for first = 1, math.floor(last / 2) do
      targets[first], targets[last] = targets[last], targets[first]
      last = last - 1
    end
  end
end

local count = 0

function request()
  count = count % #targets + 1
  return wrk.format("GET", targets[count])
end
