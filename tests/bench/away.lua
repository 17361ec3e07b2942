-- A plain GET that is answered with a redirect to another origin.

function request()
  return wrk.format("GET", "/away")
end
