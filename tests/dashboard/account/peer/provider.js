'use strict';
// An OpenID Connect provider: its issuer, its one client and what it says of whom come as JSON in the first
// argument. It asks for a name and takes any password; whoever comes has agreed before. Says "ready" when it is.

const { createServer } = require('node:http');

const { issuer, client, people } = JSON.parse(process.argv[2]);

const agreed = async (ctx) => {
  const grant = new ctx.oidc.provider.Grant({
    accountId: ctx.oidc.session.accountId,
    clientId: ctx.oidc.client.clientId,
  });
  grant.addOIDCScope('openid email profile');
  await grant.save();
  return grant;
};

const main = async () => {
  const { default: Provider } = await import('oidc-provider');
  const provider = new Provider(issuer, {
    clients: [client],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
    cookies: { keys: ['of this test alone'] },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
    loadExistingGrant: agreed,
    pkce: { required: () => true },
  });
  const { hostname, port } = new URL(issuer);
  createServer(provider.callback()).listen(Number(port), hostname, () => console.log('ready'));
};

main();
