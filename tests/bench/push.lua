-- Pushes of 1 KiB, authenticated by client_secret_basic.

request = require("requests").push(1024)
