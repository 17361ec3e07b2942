"""Authlib as a client with keys. Every line it prints is a JSON object with one member:

authorize  the address for the browser; it then reads the callback's address from a line of
           standard input
end        the claims of the ID token, its signature checked

From the environment: ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, AUTHENTICATION and KEY (a file
in PEM, a P-256 key).
"""

import json
import os
from urllib.parse import urlencode, parse_qsl, urlsplit

# Tests run on loopback without TLS.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

CLIENT_ID, METHOD = os.environ["CLIENT_ID"], os.environ["AUTHENTICATION"]


def say(**message):
    print(json.dumps(message), flush=True)


if METHOD == "private_key_jwt":
    with open(os.environ["KEY"]) as file:
        secret = ECKey.import_key(file.read())
    method = PrivateKeyJWT(alg="ES256")
else:
    secret = os.environ["CLIENT_SECRET"]
    method = ClientSecretJWT()

session = OAuth2Session(
    CLIENT_ID,
    secret,
    token_endpoint_auth_method=method.name,
    redirect_uri=os.environ["REDIRECT_URI"],
    scope="openid profile",
    code_challenge_method="S256",
)
session.register_client_auth_method(method)
metadata = session.get(
    os.environ["ISSUER"] + "/.well-known/openid-configuration", withhold_token=True
).json()

verifier, nonce = generate_token(48), generate_token(24)
authorize = metadata["authorization_endpoint"]
plain, state = session.create_authorization_url(authorize, code_verifier=verifier, nonce=nonce)
pushed = session.post(
    metadata["pushed_authorization_request_endpoint"],
    data=dict(parse_qsl(urlsplit(plain).query)),
    auth=session.client_auth(method.name),
    withhold_token=True,
)
assert pushed.status_code == 201, pushed.text
request_uri = pushed.json()["request_uri"]
say(authorize=authorize + "?" + urlencode({"client_id": CLIENT_ID, "request_uri": request_uri}))

tokens = session.fetch_token(
    metadata["token_endpoint"],
    authorization_response=input(),
    state=state,
    code_verifier=verifier,
)
keys = KeySet.import_key_set(session.get(metadata["jwks_uri"], withhold_token=True).json())
claims = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
assert claims["nonce"] == nonce, claims
say(end=claims)
