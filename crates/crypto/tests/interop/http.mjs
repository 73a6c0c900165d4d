// A browser's client against a running server: @serenity-kit/opaque, the vault of the web app, and fetch. It creates a
// secret tag and uses it, opens a tag of another client, and prints what it has created:
//
//   node http.mjs '{"url", "token", "user", "theirs": {"tag", "phrase", "entry", "content"}}'
//
// writes {"tag", "phrase", "recoveryKey", "entry", "content"}. It stops with an error at the first unexpected
// result.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import * as opaque from '@serenity-kit/opaque';
import { identifiers, KEY_STRETCHING, normalizePhrase, RecoveryKey, Vault } from '@sotto/vault';

await opaque.ready;

const { url, token, user, theirs } = JSON.parse(process.argv[2]);
const encode = (bytes) => Buffer.from(bytes).toString('base64url');
const decode = (text) => Uint8Array.from(Buffer.from(text, 'base64url'));

async function call(method, path, body, headers = {}) {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: response.status, etag: response.headers.get('etag'), body: await response.json() };
}

async function expect(status, ...request) {
  const answer = await call(...request);
  assert.equal(answer.status, status, `${request[0]} ${request[1]}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** Begins to register a phrase; `finish` takes the server's answer. */
function register(tag, phrase) {
  const password = normalizePhrase(phrase);
  const { clientRegistrationState, registrationRequest } = opaque.client.startRegistration({ password });
  const finish = ({ registration_response }) =>
    opaque.client.finishRegistration({
      password,
      clientRegistrationState,
      registrationResponse: registration_response,
      identifiers: identifiers({ user, tag }),
      keyStretching: KEY_STRETCHING,
    });
  return { request: registrationRequest, finish };
}

/** Nothing if the phrase is wrong, as the client finds out by itself; the server's answers are kept in `seen`. */
async function unlock(tag, phrase, seen = []) {
  const password = normalizePhrase(phrase);
  const { clientLoginState, startLoginRequest } = opaque.client.startLogin({ password });
  const path = `/api/secret-tags/${tag}/unlock`;
  const started = await expect(200, 'POST', `${path}/start`, { login_request: startLoginRequest });
  seen.push(started);
  const finished = opaque.client.finishLogin({
    password,
    clientLoginState,
    loginResponse: started.login_response,
    identifiers: identifiers({ user, tag }),
    keyStretching: KEY_STRETCHING,
  });
  if (finished === undefined) return undefined;
  const message = { session_id: started.session_id, login_finish: finished.finishLoginRequest };
  const opened = await expect(200, 'POST', `${path}/finish`, message);
  // A message that was used is worth nothing.
  await expect(404, 'POST', `${path}/finish`, message);
  const vault = await Vault.unlock({ user, tag }, decode(finished.exportKey), decode(opened.wrapped_master_key));
  return { vault, opened, headers: { 'x-sotto-unlock': opened.unlock_token } };
}

async function sealed(vault, tag, entry, revision, text) {
  const fields = await vault.sealEntry(entry, revision, text);
  return {
    secret_tag_id: tag,
    encrypted_content: encode(fields.encryptedContent),
    encryption_iv: encode(fields.encryptionIv),
    wrapped_key: encode(fields.wrappedKey),
    wrap_iv: encode(fields.wrapIv),
  };
}

function open(vault, entry) {
  return vault.openEntry(entry.id, entry.revision, {
    encryptedContent: decode(entry.encrypted_content),
    encryptionIv: decode(entry.encryption_iv),
    wrappedKey: decode(entry.wrapped_key),
    wrapIv: decode(entry.wrap_iv),
  });
}

// What another client sealed.
{
  const { vault, headers } = await unlock(theirs.tag, theirs.phrase);
  const entry = await expect(200, 'GET', `/api/journals/${theirs.entry}`, undefined, headers);
  assert.equal((await open(vault, entry)).content, theirs.content);
}

// Register.
const tag = randomUUID();
const path = `/api/secret-tags/${tag}`;
const recoveryKey = RecoveryKey.generate();
{
  const registration = register(tag, 'first phrase');
  const started = await expect(200, 'POST', '/api/secret-tags/register/start', {
    tag_id: tag,
    registration_request: registration.request,
  });
  const { registrationRecord, exportKey } = registration.finish(started);
  const vault = await Vault.create({ user, tag });
  await expect(201, 'POST', '/api/secret-tags/register/finish', {
    tag_id: tag,
    registration_record: registrationRecord,
    server_keys: started.server_keys,
    wrapped_master_key: encode(await vault.wrap(decode(exportKey))),
    metadata: encode(await vault.sealMetadata({ name: 'Träume', color: '#1e90ff' })),
    recovery_wrap: encode(await vault.wrapForRecovery(recoveryKey)),
    recovery_verifier: encode(await recoveryKey.verifier()),
  });
}

// A wrong phrase, and a secret tag that does not exist: the same answers, and neither opens.
const [wrong, unknown] = [[], []];
assert.equal(await unlock(tag, 'first phrases', wrong), undefined);
assert.equal(await unlock(randomUUID(), 'first phrase', unknown), undefined);
// An instant is as long as its fraction needs.
const shape = ([{ expires_at, ...started }]) => Object.entries(started).map(([name, value]) => [name, value.length]);
assert.deepEqual(shape(wrong), shape(unknown));
await expect(403, 'POST', `${path}/unlock/finish`, {
  session_id: wrong[0].session_id,
  login_finish: encode(new Uint8Array(64)),
});

// Unlock, write, read, change, list.
let opened = await unlock(tag, 'first phrase');
assert.equal(opened.opened.failed_tries.count, 1);
assert.deepEqual(await opened.vault.openMetadata(decode(opened.opened.metadata)), { name: 'Träume', color: '#1e90ff' });
const entry = randomUUID();
const text = {
  title: 'Dienstag',
  content: 'Es regnet. 🌧',
  tags: ['père'],
  audioKey: undefined,
  formerAudioKey: undefined,
};
const body = { id: entry, entry_date: '2025-01-22T10:00:00Z', ...(await sealed(opened.vault, tag, entry, 1, text)) };
const made = await expect(201, 'POST', '/api/journals/', body, opened.headers);
assert.deepEqual(await open(opened.vault, made), text);
const changed = await sealed(opened.vault, tag, entry, 2, { ...text, content: 'Es schneit.' });
await expect(428, 'PUT', `/api/journals/${entry}`, changed, opened.headers);
await expect(200, 'PUT', `/api/journals/${entry}`, changed, { ...opened.headers, 'if-match': '"1"' });
const [listed] = await expect(200, 'GET', `/api/journals/?secret_tag_id=${tag}`, undefined, opened.headers);
assert.equal((await open(opened.vault, listed)).content, 'Es schneit.');

// Change the phrase.
{
  const registration = register(tag, 'second phrase');
  const message = { registration_request: registration.request };
  const started = await expect(200, 'POST', `${path}/phrase/start`, message, opened.headers);
  const { registrationRecord, exportKey } = registration.finish(started);
  const finish = {
    registration_record: registrationRecord,
    server_keys: started.server_keys,
    wrapped_master_key: encode(await opened.vault.wrap(decode(exportKey))),
    version: opened.opened.version,
  };
  await expect(200, 'POST', `${path}/phrase/finish`, finish, opened.headers);
}
assert.equal(await unlock(tag, 'first phrase'), undefined);
opened = await unlock(tag, 'second phrase');
assert.equal(opened.opened.version, 2);

// Recover, with the key as a person types it.
const key = await RecoveryKey.parse((await recoveryKey.reveal()).toLowerCase().replaceAll('-', ' '));
{
  const registration = register(tag, 'third phrase');
  const start = { recovery_proof: encode(await key.proof()), registration_request: registration.request };
  await expect(403, 'POST', `${path}/recover/start`, { ...start, recovery_proof: encode(new Uint8Array(32)) });
  const started = await expect(200, 'POST', `${path}/recover/start`, start);
  const { registrationRecord, exportKey } = registration.finish(started);
  const vault = await Vault.recover({ user, tag }, key, decode(started.recovery_wrap));
  await expect(200, 'POST', `${path}/recover/finish`, {
    recovery_proof: start.recovery_proof,
    registration_record: registrationRecord,
    server_keys: started.server_keys,
    wrapped_master_key: encode(await vault.wrap(decode(exportKey))),
    version: started.version,
  });
}
await expect(404, 'GET', `/api/journals/${entry}`, undefined, opened.headers);
opened = await unlock(tag, 'third phrase');
const kept = await expect(200, 'GET', `/api/journals/${entry}`, undefined, opened.headers);
assert.equal((await open(opened.vault, kept)).content, 'Es schneit.');

const left = { tag, phrase: 'third phrase', recoveryKey: await recoveryKey.reveal(), entry, content: 'Es schneit.' };
console.log(JSON.stringify(left));
