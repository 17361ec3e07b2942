"""A client of the authorization server, in one file: it pushes its request, and shows what came of it.

It listens at LISTEN, is registered with REDIRECT_URI, and reaches the server of ISSUER at GATEWAY.
"""

import base64
import hashlib
import html
import json
import os
import secrets
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import Request, urlopen

ISSUER = os.environ["ISSUER"]
GATEWAY = os.environ["GATEWAY"]
REDIRECT_URI = os.environ["REDIRECT_URI"]
CLIENT_ID, SECRET = "conf-basic", "conf-basic-secret"

# One entry for each login that was begun: state → code verifier, nonce, authorize URL.
LOGINS = {}


def call(url, form=None):
    """The JSON that the gateway answers at the public address `url`."""
    request = Request(GATEWAY + urlsplit(url).path)
    if form is not None:
        request.data = urlencode(form).encode()
        basic = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        request.add_header("Authorization", f"Basic {basic}")
    with urlopen(request, timeout=10) as answer:
        return json.load(answer)


def metadata():
    return call(f"{ISSUER}/.well-known/openid-configuration")


def begin():
    """Pushes a request; gives its state and the address for the browser."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    found = metadata()
    pushed = call(
        found["pushed_authorization_request_endpoint"],
        {
            "response_type": "code",
            "redirect_uri": REDIRECT_URI,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        },
    )
    query = urlencode({"client_id": CLIENT_ID, "request_uri": pushed["request_uri"]})
    address = f"{found['authorization_endpoint']}?{query}"
    LOGINS[state] = (verifier, nonce, address)
    return state, address


def end(answer, state):
    """Takes the code of a callback to the token endpoint; gives the claims and the first address."""
    verifier, nonce, address = LOGINS.pop(state)
    if answer.get("state") != state or answer.get("iss") != ISSUER:
        raise ValueError("an answer to another request, or from another server")
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": REDIRECT_URI,
        "code_verifier": verifier,
    }
    id_token = call(metadata()["token_endpoint"], form)["id_token"]
    # Straight from the token endpoint: its signature need not be looked at (OpenID Connect Core §3.1.3.7).
    body = id_token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if claims["nonce"] != nonce or claims["iss"] != ISSUER:
        raise ValueError("an ID token for another request, or from another server")
    return claims, address


class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        path = urlsplit(self.path).path
        try:
            if path == "/":
                self.page('<p><a href="/login">Sign in with a pushed request</a>')
            elif path == "/login":
                state, address = begin()
                self.send_response(302)
                self.send_header("Location", address)
                self.send_header("Set-Cookie", f"login={state}; Path=/callback; HttpOnly; SameSite=Lax")
                self.end_headers()
            elif path == "/callback":
                answer = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                cookie = SimpleCookie(self.headers.get("Cookie", "")).get("login")
                claims, address = end(answer, cookie.value if cookie else "")
                shown = html.escape(json.dumps(claims, indent=2))
                self.page(
                    f"<h1>Signed in</h1><p>The browser was sent to<pre>{html.escape(address)}</pre>"
                    f'<p>and the server says<pre>{shown}</pre><p><a href="/">Again</a>'
                )
            else:
                self.send_error(404)
        except HTTPError as error:
            self.page(f"<h1>The server refuses</h1><pre>{html.escape(error.read().decode())}</pre>", 502)
        except (KeyError, OSError, ValueError) as error:
            self.page(f"<h1>No login</h1><pre>{html.escape(repr(error))}</pre>", 502)

    def page(self, body, status=200):
        text = f"<!doctype html><title>Client</title>{body}".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


host, port = os.environ["LISTEN"].rsplit(":", 1)
server = ThreadingHTTPServer((host, int(port)), Pages)
print(f"client on {REDIRECT_URI.rsplit('/', 1)[0]}", flush=True)
server.serve_forever()
