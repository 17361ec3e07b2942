-- Pushes of 4 KiB; the references go into the file that is named.

local file

function init(arguments)
  file = assert(io.open(arguments[1], "a"))
  file:setvbuf("no")
end

local waiting = {}

function response(status, _, body)
  local reference = body:match('"request_uri" *: *"([^"]+)"')
  if reference then
    waiting[#waiting + 1] = reference
  end
  if #waiting == 256 then
    file:write(table.concat(waiting, "\n"), "\n")
    waiting = {}
  end
end

request = require("requests").push(4096)
