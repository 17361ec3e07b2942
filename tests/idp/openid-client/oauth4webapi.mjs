// oauth4webapi as a client with keys; reads and prints what openid-client.mjs does.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import * as oauth from 'oauth4webapi';
import * as undici from 'undici';

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, AUTHENTICATION } = process.env;
const { KEY, CERTIFICATE, AUTHORITY, CODE_ONLY, WITH } = process.env;

const say = (message) => console.log(JSON.stringify(message));

const pem = readFileSync(KEY, 'utf8');
const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
const kind = { name: 'ECDSA', namedCurve: 'P-256' };
const key = await crypto.subtle.importKey('pkcs8', der, kind, false, ['sign']);

// Tests run on loopback without TLS.
const options = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(ISSUER);
const discovered = await oauth.discoveryRequest(issuer, options);
const as = await oauth.processDiscoveryResponse(issuer, discovered);

let authentication;
const client = { client_id: CLIENT_ID };
if (AUTHENTICATION === 'private_key_jwt') {
  authentication = oauth.PrivateKeyJwt(key);
} else if (AUTHENTICATION === 'client_secret_jwt') {
  authentication = oauth.ClientSecretJwt(CLIENT_SECRET);
} else if (AUTHENTICATION === 'self_signed_tls_client_auth') {
  const [cert, ca] = [readFileSync(CERTIFICATE), readFileSync(AUTHORITY)];
  const dispatcher = new undici.Agent({ connect: { cert, key: pem, ca } });
  authentication = oauth.TlsClientAuth();
  client.use_mtls_endpoint_aliases = true;
  options[oauth.customFetch] = (url, init) => undici.fetch(url, { ...init, dispatcher });
} else {
  authentication = oauth.ClientSecretBasic(CLIENT_SECRET);
}

const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const nonce = oauth.generateRandomNonce();
let parameters = new URLSearchParams({
  client_id: CLIENT_ID,
  response_type: 'code',
  redirect_uri: REDIRECT_URI,
  scope: 'openid profile',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
});
if (WITH.includes('request_object')) {
  const request = await oauth.issueRequestObject(as, client, parameters, key);
  parameters = new URLSearchParams({ client_id: CLIENT_ID, request });
}
if (WITH.includes('dpop')) {
  options.DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
}

// A server that wants a nonce says so; the handle has kept it for the second attempt.
const twice = async (attempt) => {
  try {
    return await attempt();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return await attempt();
  }
};
const pushed = await twice(async () => {
  const answer = await oauth.pushedAuthorizationRequest(as, client, authentication, parameters, options);
  return oauth.processPushedAuthorizationResponse(as, client, answer);
});
const url = new URL(as.authorization_endpoint);
url.searchParams.set('client_id', client.client_id);
url.searchParams.set('request_uri', pushed.request_uri);
say({ authorize: url.href });

const input = createInterface({ input: process.stdin });
const { value: callback } = await input[Symbol.asyncIterator]().next();
input.close();
const answered = oauth.validateAuthResponse(as, client, new URL(callback), state);
if (CODE_ONLY) {
  say({ end: true });
} else {
  const tokens = await twice(async () => {
    const answer = await oauth.authorizationCodeGrantRequest(
      as, client, authentication, answered, REDIRECT_URI, verifier, options);
    const checks = { expectedNonce: nonce, requireIdToken: true };
    return oauth.processAuthorizationCodeResponse(as, client, answer, checks);
  });
  say({ end: oauth.getValidatedIdTokenClaims(tokens) });
}
process.exit(0);
