-- Pushes of 1 KiB, authenticated by client_secret_basic.

request, delay = require("requests").push(1024), require("requests").delay
