-- Requests that the scripts share.

local M = {}

local authorization = "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JWLWZvci1tZWFzdXJpbmctb25seQ=="

local parameters = "response_type=code&client_id=s6BhdRkqt3"
  .. "&redirect_uri=https%3A%2F%2Fclient.example.org%2Fcb"
  .. "&scope=openid%20profile%20email&code_challenge_method=S256"
  .. "&code_challenge=K2-ltc83acc4h0c9w6ESC_rEMTJ3bww-uCHaoeK1t8U"

local headers = {
  ["Authorization"] = authorization,
  ["Content-Type"] = "application/x-www-form-urlencoded",
}

-- A form of `bytes`, each with a `state` of its own, padded by a long `claims`.
function M.push(bytes)
  local count = 0
  local before = "&claims=%7B%22userinfo%22%3A%7B%22"
  local after = "%22%3Anull%7D%7D"
  local padding = bytes - #parameters - #"&state=000000000000" - #before - #after
  local tail = before .. string.rep("x", padding) .. after
  return function()
    count = count + 1
    local body = parameters .. "&state=" .. string.format("%012d", count) .. tail
    return wrk.format("POST", "/par", headers, body)
  end
end

-- Milliseconds on average between an answer and the next request of its connection, where they are to
-- be; drawn, so that the connections do not ask all at once.
local think = tonumber(os.getenv("THINK_MS") or "")
M.delay = think and function() return math.random(0, 2 * think) end

return M
