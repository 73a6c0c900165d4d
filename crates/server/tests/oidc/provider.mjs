// A provider of OpenID Connect for tests: the certified oidc-provider, with people who sign in by pressing their name.
//
//   node provider.mjs http://127.0.0.1:8080/api/auth/oidc/test/callback …
//
// takes the addresses that it may send people back to, listens on a free port of 127.0.0.1 (or on OIDC_PORT), and prints one
// line of JSON when it is ready: its issuer, and the client_id and client_secret to set up. It runs until it is killed.
//
//   GET  /interaction/<uid>         a page with a button for each person
//   POST /interaction/<uid>/login   the form field `account` names one of them; `cancel` goes back with access_denied
//   POST /rotate                    from now on, other keys sign

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const people = {
  // Everything that a provider can tell.
  ada: {
    email: 'ada@example.org',
    email_verified: true,
    name: 'Ada Lovelace',
    picture: 'https://example.org/ada.png',
    zoneinfo: 'Europe/London',
  },
  // The provider has not made sure that the address is theirs.
  ben: { email: 'ben@example.org', email_verified: false },
  // No address at all.
  carol: { name: 'Carol' },
  // An address and nothing else.
  dora: { email: 'Dora@Example.org', email_verified: true },
};

// What a client has to encode before it sends it (RFC 6749, section 2.3.1).
const client_secret = 'a secret: with/odd+characters%';

function provider(issuer) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = {
    ...privateKey.export({ format: 'jwk' }),
    kid: randomBytes(8).toString('hex'),
    use: 'sig',
    alg: 'RS256',
  };
  return new Provider(issuer, {
    clients: [{ client_id: 'sotto', client_secret, redirect_uris: process.argv.slice(2) }],
    jwks: { keys: [key] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    features: { devInteractions: { enabled: false } },
    pkce: { required: () => true, methods: ['S256'] },
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['name', 'picture', 'zoneinfo'],
    },
    ttl: { IdToken: 300, AccessToken: 300, AuthorizationCode: 120, Interaction: 600, Grant: 600, Session: 600 },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
    // Every user who signs in grants all that is requested.
    async loadExistingGrant(context) {
      const { client, session, provider, params } = context.oidc;
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope(params.scope);
      await grant.save();
      return grant;
    },
  });
}

async function interact(request, response, uid) {
  if (request.method === 'GET') {
    const buttons = [...Object.keys(people), 'cancel'].map(
      (name) => `<button name="account" value="${name}">${name}</button>`,
    );
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(
      `<!doctype html><title>Who are you?</title><form method="post" action="/interaction/${uid}/login">${buttons.join(' ')}</form>`,
    );
    return;
  }
  let body = '';
  for await (const chunk of request) body += chunk;
  const account = new URLSearchParams(body).get('account');
  const result =
    account in people
      ? { login: { accountId: account, remember: false } }
      : { error: 'access_denied', error_description: 'The person said no.' };
  await current.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

let current;
let answer;
const server = createServer(async (request, response) => {
  try {
    const [, uid] = request.url.match(/^\/interaction\/([\w-]+)/) ?? [];
    if (uid) {
      await interact(request, response, uid);
    } else if (request.url === '/rotate') {
      rotate();
      response.end();
    } else {
      answer(request, response);
    }
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error));
  }
});

function rotate() {
  current = provider(`http://127.0.0.1:${server.address().port}`);
  answer = current.callback();
}

server.listen(Number(process.env.OIDC_PORT ?? 0), '127.0.0.1', () => {
  rotate();
  console.log(JSON.stringify({ issuer: current.issuer, client_id: 'sotto', client_secret }));
});
