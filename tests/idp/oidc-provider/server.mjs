// oidc-provider as it stands before a gateway: its own PAR and request objects are switched off.
import { Provider } from 'oidc-provider';

const { ISSUER, PORT, REDIRECT_URI, CLIENTS } = process.env;

const client = (client_id, token_endpoint_auth_method, more) => ({
  client_id,
  token_endpoint_auth_method,
  ...(token_endpoint_auth_method !== 'none' && { client_secret: `${client_id}-secret` }),
  ...more,
  redirect_uris: [REDIRECT_URI],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
});

const provider = new Provider(ISSUER, {
  clients: [
    client('conf-basic', 'client_secret_basic'),
    client('conf-post', 'client_secret_post'),
    client('public-spa', 'none'),
    ...JSON.parse(CLIENTS || '[]').map(({ client_id, token_endpoint_auth_method, ...more }) =>
      client(client_id, token_endpoint_auth_method, more)),
  ],
  claims: {
    openid: ['sub'],
    profile: ['name', 'preferred_username'],
    email: ['email', 'email_verified'],
  },
  cookies: { keys: ['for-tests-only'] },
  // The development pages accept any password.
  async findAccount(_ctx, accountId) {
    return {
      accountId,
      claims: async () => ({
        sub: accountId,
        name: accountId,
        preferred_username: accountId,
        email: `${accountId}@example.org`,
        email_verified: true,
      }),
    };
  },
  features: {
    devInteractions: { enabled: true },
    pushedAuthorizationRequests: { enabled: false },
    // Clients keep one nonce per origin and show the gateway's here too; without a secret of its own
    // the provider would refuse them, with one it asks for its own.
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7) },
    claimsParameter: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
});

// The gateway tells the public scheme and host in X-Forwarded-*.
provider.proxy = true;
provider.on('server_error', (_ctx, error) => console.error(error));
const server = provider.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`oidc-provider for ${ISSUER} on port ${PORT}`);
});
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
