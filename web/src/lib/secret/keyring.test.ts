import { hkdfSync } from 'node:crypto';

import { SottoError } from '@sotto/client';
import { Vault } from '@sotto/vault';
import { beforeEach, describe, expect, test, vi } from 'vitest';

import type { Recording } from '../entries/entry';
import { suiteReady } from './opaque';
import { Keyring } from './keyring';
import { FakeServer } from './fake-server';

// Cheap key stretching, because these tests do not depend on its strength. Other tests compare the real one with the
// server's.
vi.mock('@sotto/vault', async (original) => ({
  ...(await original<typeof import('@sotto/vault')>()),
  KEY_STRETCHING: { 'argon2id-custom': { iterations: 1, memory: 8192, parallelism: 1 } },
}));

const user = '01990a4e-7000-7000-8000-000000000001';
const entryId = '01990a4e-7000-7000-8000-000000000003';
const PHRASE = 'correct horse battery staple';

let server: FakeServer;
let keyring: Keyring;
/** A clock that advances only through `sleep`. */
let clock: { time: number; now: () => number; sleep: (milliseconds: number) => Promise<void> };

beforeEach(async () => {
  await suiteReady();
  server = new FakeServer();
  clock = { time: 0, now: () => clock.time, sleep: async (milliseconds) => void (clock.time += milliseconds) };
  keyring = newKeyring();
});

const tags = () => [...server.tags.keys()];
const newKeyring = () => new Keyring(server.ask, clock);
/** The path of a request as the server has seen it. */
const pathOf = (sent: string) => (JSON.parse(sent) as { path: string }).path;

async function createTag(phrase = PHRASE, name = 'Therapy') {
  const recoveryKey = await keyring.prepare(phrase);
  return { recoveryKey, unlocked: await keyring.create(user, name) };
}

/** A sealed entry as the server would return it. */
async function serverEntry(
  tag: string,
  revision: number,
  content: string,
  more: object = {},
  audio?: Recording | null,
) {
  const sealed = await keyring.sealEntry(tag, entryId, revision, { title: 'Tuesday', content, tags: ['rain'], audio });
  const times = { entry_date: '2026-11-25T22:00:00Z', entry_zone: 'Europe/Berlin', created_at: '', updated_at: '' };
  return {
    id: entryId,
    user_id: user,
    revision,
    content: '',
    tags: [],
    secret_tag_id: tag,
    ...times,
    ...sealed,
    ...more,
  };
}

describe('a passphrase', () => {
  test('unlocks its own secret tag, and no other passphrase does', async () => {
    const { unlocked } = await createTag();
    expect(unlocked).toMatchObject({ name: 'Therapy', version: 1, token: 'token 1' });
    expect(await newKeyring().unlock(user, tags(), `${PHRASE}!`)).toEqual({ unlocked: null, retryAfter: undefined });
    expect((await newKeyring().unlock(user, tags(), PHRASE)).unlocked).toMatchObject({
      id: unlocked.id,
      name: 'Therapy',
    });
  });

  test('is normalized, so that different Unicode forms are equal', async () => {
    await createTag('Caf\u00e9 au lait');
    expect((await newKeyring().unlock(user, tags(), 'Cafe\u0301 au lait')).unlocked).not.toBeNull();
  });

  test('is tried on the same made-up secret tag each time when there is none', async () => {
    expect((await keyring.unlock(user, [], PHRASE)).unlocked).toBeNull();
    expect((await keyring.unlock(user, [], PHRASE)).unlocked).toBeNull();
    const tried = server.seen.map(pathOf);
    expect(tried[0]).toMatch(/^\/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}\/unlock\/start$/);
    expect(new Set(tried).size).toBe(1);
  });

  test('is tried on the secret tags in the given order until one unlocks', async () => {
    const ids = [];
    for (const name of ['one', 'two', 'three', 'four']) ids.push((await createTag(name, name)).unlocked.id);
    const [one, two, three, four] = ids as [string, string, string, string];
    server.seen.length = 0;
    expect((await newKeyring().unlock(user, [three, one, four, two], 'four')).unlocked).toMatchObject({ id: four });
    const started = server.seen.map(pathOf).filter((path) => path.endsWith('/unlock/start'));
    expect(started).toEqual([three, one, four].map((id) => `/${id}/unlock/start`));
  });

  test('that unlocks nothing takes as long with three secret tags as with one or none', async () => {
    for (const name of ['one', 'two', 'three']) await createTag(name, name);
    // Each request takes 100 ms, and everything else takes no time.
    const slow: typeof server.ask = (...request) => clock.sleep(100).then(() => server.ask(...request)) as never;
    const duration = async (ids: string[]) => {
      const start = clock.time;
      expect((await new Keyring(slow, clock).unlock(user, ids, 'wrong')).unlocked).toBeNull();
      return clock.time - start;
    };
    expect([await duration([]), await duration(tags().slice(0, 1)), await duration(tags())]).toEqual([300, 300, 300]);
  });

  test('that is rate-limited on one secret tag still unlocks another, or returns how long to wait', async () => {
    const one = (await createTag('one', 'one')).unlocked.id;
    await createTag('two', 'two');
    server.faults.set('unlock/start', { error: new SottoError(429, {}, 40), after: false });
    expect((await newKeyring().unlock(user, tags(), 'two')).unlocked).toMatchObject({ name: 'two' });
    server.faults.set('unlock/start', { error: new SottoError(429, {}, 40), after: false });
    expect(await newKeyring().unlock(user, [one], 'one')).toEqual({ unlocked: null, retryAfter: 40 });
  });

  test('is never sent, nor is any plain text', async () => {
    const { unlocked, recoveryKey } = await createTag();
    await keyring.changePhrase(user, unlocked.id, 1, 'another phrase entirely');
    await keyring.unlock(user, [], 'a third phrase');
    const requests = server.seen.join('\n');
    for (const secret of [
      PHRASE,
      'another phrase',
      'a third phrase',
      'Therapy',
      recoveryKey,
      recoveryKey.replaceAll('-', ''),
    ]) {
      expect(requests).not.toContain(secret);
      expect(requests).not.toContain(Buffer.from(secret).toString('base64url'));
    }
  });

  test('can be changed, and then the old one unlocks nothing', async () => {
    const { unlocked } = await createTag();
    expect(await keyring.changePhrase(user, unlocked.id, 1, 'second')).toBe(2);
    expect((await newKeyring().unlock(user, tags(), PHRASE)).unlocked).toBeNull();
    expect((await newKeyring().unlock(user, tags(), 'second')).unlocked).toMatchObject({ version: 2 });
    // A request that is based on the first version, as from another browser.
    await expect(keyring.changePhrase(user, unlocked.id, 1, 'third')).rejects.toMatchObject({ status: 409 });
  });

  test('is registered again when the server has new keys', async () => {
    await createTag();
    server.reregister = true;
    expect((await newKeyring().unlock(user, tags(), PHRASE)).unlocked).toMatchObject({ version: 2 });
    expect((await newKeyring().unlock(user, tags(), PHRASE)).unlocked).toMatchObject({ version: 3 });
  });
});

describe('the recovery key', () => {
  test('sets a new passphrase, in any spelling, and stays valid', async () => {
    const { recoveryKey } = await createTag();
    const typed = recoveryKey.toLowerCase().replaceAll('-', ' ');
    expect(await keyring.isRecoveryKey(typed)).toBe(true);
    expect((await newKeyring().recover(user, tags(), typed, 'second')).unlocked).toMatchObject({
      name: 'Therapy',
      version: 2,
    });
    expect((await newKeyring().unlock(user, tags(), PHRASE)).unlocked).toBeNull();
    expect((await newKeyring().recover(user, tags(), recoveryKey, 'third')).unlocked).toMatchObject({ version: 3 });
  });

  test('of another secret tag recovers nothing', async () => {
    await createTag();
    const other = await newKeyring().prepare('x');
    expect((await newKeyring().recover(user, tags(), other, 'second')).unlocked).toBeNull();
    expect((await newKeyring().unlock(user, tags(), PHRASE)).unlocked).not.toBeNull();
  });

  test('is rejected when it has a typing error', async () => {
    const { recoveryKey } = await createTag();
    const wrong = (recoveryKey.startsWith('A') ? 'B' : 'A') + recoveryKey.slice(1);
    expect(await keyring.isRecoveryKey(wrong)).toBe(false);
    expect(await keyring.isRecoveryKey(recoveryKey.slice(0, -1))).toBe(false);
  });
});

describe('when a response is lost', () => {
  const networkError = new SottoError(0, { detail: 'gone' });

  test.each(['start', 'finish'])('while creating a secret tag (%s), a retry creates it only once', async (step) => {
    await keyring.prepare(PHRASE);
    server.faults.set(step, { error: networkError, after: true });
    await expect(keyring.create(user, 'Therapy')).rejects.toBe(networkError);
    expect(await keyring.create(user, 'Therapy')).toMatchObject({ name: 'Therapy' });
    expect(tags()).toHaveLength(1);
  });

  test('while unlocking, the unlock can be repeated', async () => {
    await createTag();
    const other = newKeyring();
    server.faults.set('unlock/finish', { error: networkError, after: true });
    await expect(other.unlock(user, tags(), PHRASE)).rejects.toBe(networkError);
    expect((await other.unlock(user, tags(), PHRASE)).unlocked).not.toBeNull();
  });

  test('an expired attempt fails with a 404 error', async () => {
    await createTag();
    server.faults.set('unlock/finish', { error: new SottoError(404, { detail: 'over' }), after: false });
    await expect(newKeyring().unlock(user, tags(), PHRASE)).rejects.toMatchObject({ status: 404 });
  });
});

describe('entries', () => {
  test('are decrypted only under their own id and revision', async () => {
    const { unlocked } = await createTag();
    const sealed = await serverEntry(unlocked.id, 1, 'Nobody knows.');
    const other = newKeyring();
    await other.unlock(user, tags(), PHRASE);
    const [entry] = await other.openEntries(unlocked.id, [sealed]);
    expect(entry).toMatchObject({ title: 'Tuesday', content: 'Nobody knows.', secretTagId: unlocked.id, revision: 1 });
    expect(entry!.tags).toEqual([{ id: null, name: 'rain', color: null }]);
    // An old text under a new revision, and a text with a changed byte.
    const [moved, touched] = await other.openEntries(unlocked.id, [
      { ...sealed, revision: 2 },
      { ...sealed, wrap_iv: sealed.encryption_iv },
    ]);
    expect([moved, touched]).toEqual([null, null]);
  });

  test('get a new key at each save', async () => {
    const { unlocked } = await createTag();
    const [one, two] = [await serverEntry(unlocked.id, 1, 'same'), await serverEntry(unlocked.id, 1, 'same')];
    for (const part of ['encrypted_content', 'encryption_iv', 'wrapped_key', 'wrap_iv'] as const) {
      expect(one[part]).not.toBe(two[part]);
    }
  });

  test('keep the recording key when the text is saved, until the recording is deleted', async () => {
    const { unlocked } = await createTag();
    const key = new Uint8Array(32).fill(7);
    const save = async (revision: number, content: string, audio?: Recording | null) => {
      const [entry] = await keyring.openEntries(unlocked.id, [
        await serverEntry(unlocked.id, revision, content, {}, audio),
      ]);
      return entry!.audio?.key;
    };
    expect(await save(1, 'spoken', { url: '', mediaType: null, key })).toEqual(key);
    expect(await save(2, 'written as well')).toEqual(key);
    expect(await save(3, 'written alone', null)).toBeUndefined();
    expect(await save(4, 'written again')).toBeUndefined();
    expect(await save(5, 'spoken again', { url: '', mediaType: null, key })).toEqual(key);
    // The entry was deleted with its recording, and then restored.
    keyring.forgetEntry(unlocked.id, entryId);
    expect(await save(1, 'spoken again')).toBeUndefined();
  });

  test('have both recording keys during a replacement, until one is known to be stale', async () => {
    const { unlocked } = await createTag();
    const [key, formerKey, other] = [7, 6, 5].map((byte) => new Uint8Array(32).fill(byte)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    let revision = 0;
    /** The recording keys after a save, which happened this many ms ago. */
    const save = async (audio?: Recording, ago = 0) => {
      const more = { updated_at: new Date(Date.now() - ago).toISOString() };
      const sealed = await serverEntry(unlocked.id, ++revision, 'spoken', more, audio);
      // The format version is 2 if there are two keys.
      const [entry] = await keyring.openEntries(unlocked.id, [sealed]);
      expect(Buffer.from(sealed.encrypted_content, 'base64url')[0]).toBe(entry!.audio!.formerKey ? 2 : 1);
      return [entry!.audio!.key, entry!.audio!.formerKey];
    };
    const replacing = { url: '', mediaType: null, key, formerKey };
    expect(await save(replacing)).toEqual([key, formerKey]);
    expect(await save()).toEqual([key, formerKey]);
    await keyring.confirmRecordingKey(unlocked.id, entryId, other);
    expect(await save()).toEqual([key, formerKey]);
    await keyring.confirmRecordingKey(unlocked.id, entryId, key);
    expect(await save()).toEqual([key, undefined]);

    // While the new recording may still be on its way, a match of the former key proves nothing.
    await save(replacing);
    await keyring.confirmRecordingKey(unlocked.id, entryId, formerKey);
    expect(await save()).toEqual([key, formerKey]);
    await save(replacing, 3_600_001);
    await keyring.confirmRecordingKey(unlocked.id, entryId, formerKey);
    expect(await save()).toEqual([formerKey, undefined]);
  });

  test('cannot be decrypted or searched once the tag is locked', async () => {
    const { unlocked } = await createTag();
    const sealed = await serverEntry(unlocked.id, 1, 'x');
    keyring.lock(unlocked.id);
    expect(await keyring.openEntries(unlocked.id, [sealed])).toEqual([null]);
    expect(() => keyring.search(unlocked.id, { q: 'x' })).toThrow(expect.objectContaining({ name: 'Locked' }));
    await expect(serverEntry(unlocked.id, 2, 'y')).rejects.toMatchObject({ name: 'Locked' });
  });

  test('are found by their decrypted text', async () => {
    const { unlocked } = await createTag();
    const second = '01990a4e-7000-7000-8000-000000000004';
    await keyring.openEntries(unlocked.id, [await serverEntry(unlocked.id, 1, 'Über den Wolken')]);
    const found = (q: string) => keyring.search(unlocked.id, { q }).map(({ content }) => content);
    expect(found('uber wolk')).toEqual(['Über den Wolken']);
    expect(found('rain')).toEqual(['Über den Wolken']);
    expect(found('regen')).toEqual([]);
    expect(keyring.knows(unlocked.id, second)).toBe(false);
    keyring.forgetEntry(unlocked.id, entryId);
    expect(found('wolk')).toEqual([]);
  });
});

test('the draft key is derived as the protocol says, and cannot be exported', async () => {
  const exportKey = new Uint8Array(64).map((_, index) => 0x80 + index);
  const master = new Uint8Array(32).map((_, index) => index);
  const wrapped =
    '01202122232425262728292a2b5d2f01b65053f0294f439e920023b77851a4237e06a8476a7840771dcbd35c2978ee8f892f7a0bef3a618c5ca1ce43fc';
  const scope = { user, tag: '01990a4e-7000-7000-8000-000000000002' };
  const vault = await Vault.unlock(scope, exportKey, Uint8Array.from(Buffer.from(wrapped, 'hex')));
  const key = await vault.draftKey();
  expect(key).toMatchObject({ extractable: false, usages: ['encrypt', 'decrypt'] });

  const iv = new Uint8Array(12);
  const expected = hkdfSync('sha512', master, '', 'sotto/v1/secret-tag/drafts', 32);
  const same = await crypto.subtle.importKey('raw', expected, 'AES-GCM', false, ['encrypt']);
  const text = new TextEncoder().encode('not finished');
  const box = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, same, text);
  expect(new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, box))).toEqual(text);
});
