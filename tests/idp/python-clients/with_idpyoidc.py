"""idpyoidc with its add-on for pushed requests. Every line it prints is a JSON object with one member:

failed     what it says of a push, where it says no, with `status` and `answer` of the endpoint
authorize  the address for the browser; it then reads the callback's address from a line of
           standard input
end        the claims of the ID token, after every check

From the environment: ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, KEY (a file in PEM, an RSA key)
and ADAPTED, in which `texts` and `created` may be named: what of the add-on is mended.
"""

import json
import os
from urllib.parse import parse_qsl, urlsplit

import requests
from cryptojwt.jwk.rsa import RSAKey, import_private_rsa_key_from_file
from cryptojwt.key_jar import KeyJar
from idpyoidc.client.rp_handler import RPHandler

CLIENT_ID, ISSUER = os.environ["CLIENT_ID"], os.environ["ISSUER"]


def say(**message):
    print(json.dumps(message), flush=True)


ADAPTED = os.environ["ADAPTED"]
pushed = {}


def add_texts(services):
    """As an add-on before `par`: a request object has texts, not lists (RFC 9101 section 4)."""

    def texts(request_args, service, **kwargs):
        for name in ("scope", "response_type"):
            request_args._dict[name] = " ".join(request_args[name])
        return request_args

    services["authorization"].post_construct.append(texts)


def push(**request):
    """As `http_client` of `par`: success is 201 (RFC 9126 section 2.2), where it looks for 200."""
    answer = requests.request(**request)
    pushed.update(status=answer.status_code, answer=answer.json())
    if answer.status_code == 201 and "created" in ADAPTED:
        answer.status_code = 200
    return answer


par = {
    "function": "idpyoidc.client.oauth2.add_on.par.add_support",
    "kwargs": {"authn_method": "client_secret_basic", "http_client": "__main__.push"},
}
pkce = {
    "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
    "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
}
add_ons = {"pkce": pkce, "par": par}
if "texts" in ADAPTED:
    add_ons = {"pkce": pkce, "texts": {"function": "__main__.add_texts", "kwargs": {}}, "par": par}
client = {
    "issuer": ISSUER,
    "client_id": CLIENT_ID,
    "client_secret": os.environ["CLIENT_SECRET"],
    "client_type": "oidc",
    "redirect_uris": [os.environ["REDIRECT_URI"]],
    "response_types_supported": ["code"],
    "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    "add_ons": add_ons,
}
keyjar = KeyJar()
keyjar.add_keys("", [RSAKey(priv_key=import_private_rsa_key_from_file(os.environ["KEY"]), use="sig")])
handler = RPHandler("http://127.0.0.1", {ISSUER: client}, keyjar=keyjar)
try:
    authorize = handler.begin(ISSUER, req_args={"scope": ["openid", "profile"]})
except ConnectionError as error:
    say(failed={"error": str(error), **pushed})
    raise SystemExit(0)
say(authorize=authorize)

answer = dict(parse_qsl(urlsplit(input()).query))
end = handler.finalize(ISSUER, answer)
assert "error" not in end, end
say(end=end["id_token"].to_dict())
