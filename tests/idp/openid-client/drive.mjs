// One login with the real openid-client. Every line it prints is a JSON object with one member:
//   discovered  the metadata that it found
//   request     the authorization request that it makes
//   authorize   the address for the browser; it then reads the callback's address from a line of
//               standard input
//   claims      those of the ID token, after every check
//   token_type  that of the access token
//   refused     what the token endpoint says of a code that it does not take, in place of the two
// From the environment: ISSUER, CLIENT_ID, CLIENT_SECRET, AUTHENTICATION (client_secret_basic,
// client_secret_post, none), REDIRECT_URI, PROMPT, which may be empty, and MODE:
//   par             the request is pushed
//   plain           it stands in the query
//   dpop            it is pushed with a DPoP proof, and the code exchanged with the same key
//   dpop-other-key  the same, with another key at the exchange
import { createInterface } from 'node:readline';

import * as oauth from 'openid-client';

const { ISSUER, CLIENT_ID, CLIENT_SECRET, AUTHENTICATION, REDIRECT_URI, MODE, PROMPT } = process.env;

const authentication = {
  client_secret_basic: () => oauth.ClientSecretBasic(CLIENT_SECRET),
  client_secret_post: () => oauth.ClientSecretPost(CLIENT_SECRET),
  none: () => oauth.None(),
}[AUTHENTICATION]();

const say = (message) => console.log(JSON.stringify(message));

const config = await oauth.discovery(new URL(ISSUER), CLIENT_ID, undefined, authentication, {
  // Tests run on loopback without TLS; the ID token's signature is checked all the same.
  execute: [oauth.allowInsecureRequests, oauth.enableNonRepudiationChecks],
});
say({ discovered: config.serverMetadata() });

const pkceCodeVerifier = oauth.randomPKCECodeVerifier();
const expectedState = oauth.randomState();
const expectedNonce = oauth.randomNonce();
const parameters = {
  redirect_uri: REDIRECT_URI,
  scope: 'openid profile email',
  code_challenge: await oauth.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: expectedState,
  nonce: expectedNonce,
  ...(PROMPT && { prompt: PROMPT }),
};
say({ request: parameters });
const newKey = async () => oauth.getDPoPHandle(config, await oauth.randomDPoPKeyPair());
const key = MODE.startsWith('dpop') ? { DPoP: await newKey() } : {};
const authorize =
  MODE === 'plain'
    ? oauth.buildAuthorizationUrl(config, parameters)
    : await oauth.buildAuthorizationUrlWithPAR(config, parameters, key);
say({ authorize: authorize.href });

const input = createInterface({ input: process.stdin });
const { value: callback } = await input[Symbol.asyncIterator]().next();
input.close();
const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
const shown = MODE === 'dpop-other-key' ? { DPoP: await newKey() } : key;
try {
  const tokens = await oauth.authorizationCodeGrant(config, new URL(callback), checks, undefined, shown);
  say({ token_type: tokens.token_type });
  say({ claims: tokens.claims() });
} catch (error) {
  if (!MODE.startsWith('dpop')) throw error;
  say({ refused: error.error ?? error.code ?? String(error) });
}
process.exit(0);
