// openid-client as a client with keys. Every line it prints is a JSON object with one member:
//   authorize  the address for the browser; it then reads the callback's address from a line of
//              standard input
//   end        the claims of the ID token, after every check; `true` where CODE_ONLY is set
// From the environment: ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, AUTHENTICATION,
// KEY and CERTIFICATE (files in PEM; the key is a P-256 one), AUTHORITY (of the gateway's
// certificate), CODE_ONLY, and WITH, in which `request_object` and `dpop` may be named.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import * as oauth from 'openid-client';
import * as undici from 'undici';

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, AUTHENTICATION } = process.env;
const { KEY, CERTIFICATE, AUTHORITY, CODE_ONLY, WITH } = process.env;

const say = (message) => console.log(JSON.stringify(message));

const pem = readFileSync(KEY, 'utf8');
const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
const kind = { name: 'ECDSA', namedCurve: 'P-256' };
const key = await crypto.subtle.importKey('pkcs8', der, kind, false, ['sign']);

let authentication;
if (AUTHENTICATION === 'private_key_jwt') {
  authentication = oauth.PrivateKeyJwt(key);
} else if (AUTHENTICATION === 'client_secret_jwt') {
  authentication = oauth.ClientSecretJwt(CLIENT_SECRET);
} else if (AUTHENTICATION === 'self_signed_tls_client_auth') {
  authentication = oauth.TlsClientAuth();
} else {
  authentication = oauth.ClientSecretBasic(CLIENT_SECRET);
}
const metadata = { use_mtls_endpoint_aliases: AUTHENTICATION === 'self_signed_tls_client_auth' };
const config = await oauth.discovery(new URL(ISSUER), CLIENT_ID, metadata, authentication, {
  // Tests run on loopback without TLS; the ID token's signature is checked all the same.
  execute: [oauth.allowInsecureRequests, oauth.enableNonRepudiationChecks],
});
if (metadata.use_mtls_endpoint_aliases) {
  const [cert, ca] = [readFileSync(CERTIFICATE), readFileSync(AUTHORITY)];
  const dispatcher = new undici.Agent({ connect: { cert, key: pem, ca } });
  config[oauth.customFetch] = (url, options) => undici.fetch(url, { ...options, dispatcher });
}

const pkceCodeVerifier = oauth.randomPKCECodeVerifier();
const expectedState = oauth.randomState();
const expectedNonce = oauth.randomNonce();
let parameters = {
  redirect_uri: REDIRECT_URI,
  scope: 'openid profile',
  code_challenge: await oauth.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: expectedState,
  nonce: expectedNonce,
};
if (WITH.includes('request_object')) {
  const signed = await oauth.buildAuthorizationUrlWithJAR(config, parameters, key);
  parameters = signed.searchParams;
}
let proof;
if (WITH.includes('dpop')) {
  const DPoP = oauth.getDPoPHandle(config, await oauth.randomDPoPKeyPair());
  proof = { DPoP };
}
const url = await oauth.buildAuthorizationUrlWithPAR(config, parameters, proof);
say({ authorize: url.href });

const input = createInterface({ input: process.stdin });
const { value: callback } = await input[Symbol.asyncIterator]().next();
input.close();
if (CODE_ONLY) {
  say({ end: true });
} else {
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
  const tokens = await oauth.authorizationCodeGrant(config, new URL(callback), checks, undefined, proof);
  say({ end: tokens.claims() });
}
process.exit(0);
