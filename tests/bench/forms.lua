-- Pushes the forms of a file, each line once: those from `first` to `last`.

local forms, next = {}, 0
local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }

function init(arguments)
  local number, first, last = 0, tonumber(arguments[2]), tonumber(arguments[3])
  for line in io.lines(arguments[1]) do
    number = number + 1
    if number >= first and number <= last then
      forms[#forms + 1] = line
    end
  end
end

function request()
  next = next + 1
  if next == #forms then
    wrk.thread:stop()
  end
  return wrk.format("POST", "/par", headers, forms[next])
end
