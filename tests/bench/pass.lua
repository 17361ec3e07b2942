-- A plain GET, each with a query of its own, as a browser's would be.

local count = 0

function request()
  count = count + 1
  return wrk.format("GET", "/session?page=" .. count)
end
