import { hkdfSync } from 'node:crypto';

import { SottoError } from '@sotto/client';
import { Vault } from '@sotto/vault';
import { beforeEach, describe, expect, test, vi } from 'vitest';

import type { Recording } from '../entries/entry';
import { suiteReady } from './exchange';
import { KeyRing } from './keyring';
import { FakeServer } from './server.fake';

// Stretching is the library's, and is tested against the server's elsewhere; here it only takes time.
vi.mock('@sotto/vault', async (original) => ({
  ...(await original<typeof import('@sotto/vault')>()),
  KEY_STRETCHING: { 'argon2id-custom': { iterations: 1, memory: 8192, parallelism: 1 } },
}));

const user = '01990a4e-7000-7000-8000-000000000001';
const entryId = '01990a4e-7000-7000-8000-000000000003';
const PHRASE = 'correct horse battery staple';

let server: FakeServer;
let keys: KeyRing;
/** Stands still, but for what is slept. */
let clock: { time: number; now: () => number; sleep: (milliseconds: number) => Promise<void> };

beforeEach(async () => {
  await suiteReady();
  server = new FakeServer();
  clock = { time: 0, now: () => clock.time, sleep: async (milliseconds) => void (clock.time += milliseconds) };
  keys = elsewhere();
});

const tags = () => [...server.tags.keys()];
const elsewhere = () => new KeyRing(server.ask, clock);

async function make(phrase = PHRASE, name = 'Therapy') {
  const recoveryKey = await keys.prepare(phrase);
  return { recoveryKey, opened: await keys.create(user, name) };
}

/** An entry as the server would answer it. */
async function stored(tag: string, revision: number, content: string, more: object = {}, audio?: Recording | null) {
  const sealed = await keys.sealEntry(tag, entryId, revision, { title: 'Tuesday', content, tags: ['rain'], audio });
  const times = { entry_date: '2026-11-25T22:00:00Z', entry_zone: 'Europe/Berlin', created_at: '', updated_at: '' };
  return { id: entryId, user_id: user, revision, content: '', tags: [], secret_tag_id: tag, ...times, ...sealed, ...more };
}

describe('a phrase', () => {
  test('opens what was made for it, and nothing else does', async () => {
    const { opened } = await make();
    expect(opened).toMatchObject({ name: 'Therapy', version: 1, token: 'token 1' });
    expect(await elsewhere().open(user, tags(), `${PHRASE}!`)).toEqual({ opened: null, retryAfter: undefined });
    expect((await elsewhere().open(user, tags(), PHRASE)).opened).toMatchObject({ id: opened.id, name: 'Therapy' });
  });

  test('is brought to one form, however it was typed', async () => {
    await make('Caf\u00e9 au lait');
    expect((await elsewhere().open(user, tags(), 'Cafe\u0301 au lait')).opened).not.toBeNull();
  });

  test('is tried on a secret tag that is none when there is none, always on the same', async () => {
    expect((await keys.open(user, [], PHRASE)).opened).toBeNull();
    expect((await keys.open(user, [], PHRASE)).opened).toBeNull();
    const tried = server.seen.map((sent) => JSON.parse(sent).path);
    expect(tried[0]).toMatch(/^\/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}\/unlock\/start$/);
    expect(new Set(tried).size).toBe(1);
  });

  test('is tried in the order in which the secret tags are given, until one opens', async () => {
    const ids = [];
    for (const name of ['one', 'two', 'three', 'four']) ids.push((await make(name, name)).opened.id);
    const [one, two, three, four] = ids as [string, string, string, string];
    server.seen.length = 0;
    expect((await elsewhere().open(user, [three, one, four, two], 'four')).opened).toMatchObject({ id: four });
    const started = server.seen.map((sent) => JSON.parse(sent).path as string).filter((path) => path.endsWith('/unlock/start'));
    expect(started).toEqual([three, one, four].map((id) => `/${id}/unlock/start`));
  });

  test('that opens nothing takes as long with three secret tags as with one, or none', async () => {
    for (const name of ['one', 'two', 'three']) await make(name, name);
    // Each request takes 100 ms, and nothing else does.
    const slow: typeof server.ask = (...request) => clock.sleep(100).then(() => server.ask(...request)) as never;
    const took = async (ids: string[]) => {
      const start = clock.time;
      expect((await new KeyRing(slow, clock).open(user, ids, 'wrong')).opened).toBeNull();
      return clock.time - start;
    };
    expect([await took([]), await took(tags().slice(0, 1)), await took(tags())]).toEqual([300, 300, 300]);
  });

  test('that has to wait says for how long, and opens another one all the same', async () => {
    const one = (await make('one', 'one')).opened.id;
    await make('two', 'two');
    server.faults.set('unlock/start', { error: new SottoError(429, {}, 40), after: false });
    expect((await elsewhere().open(user, tags(), 'two')).opened).toMatchObject({ name: 'two' });
    server.faults.set('unlock/start', { error: new SottoError(429, {}, 40), after: false });
    expect(await elsewhere().open(user, [one], 'one')).toEqual({ opened: null, retryAfter: 40 });
  });

  test('never leaves, nor does what is sealed', async () => {
    const { opened, recoveryKey } = await make();
    await keys.changePhrase(user, opened.id, 1, 'another phrase entirely');
    await keys.open(user, [], 'a third phrase');
    const sent = server.seen.join('\n');
    for (const secret of [PHRASE, 'another phrase', 'a third phrase', 'Therapy', recoveryKey, recoveryKey.replaceAll('-', '')]) {
      expect(sent).not.toContain(secret);
      expect(sent).not.toContain(Buffer.from(secret).toString('base64url'));
    }
  });

  test('can be changed; then the old one opens nothing', async () => {
    const { opened } = await make();
    expect(await keys.changePhrase(user, opened.id, 1, 'second')).toBe(2);
    expect((await elsewhere().open(user, tags(), PHRASE)).opened).toBeNull();
    expect((await elsewhere().open(user, tags(), 'second')).opened).toMatchObject({ version: 2 });
    // Another browser that still believes in the first.
    await expect(keys.changePhrase(user, opened.id, 1, 'third')).rejects.toMatchObject({ status: 409 });
  });

  test('is registered anew when the server has other keys', async () => {
    await make();
    server.reregister = true;
    expect((await elsewhere().open(user, tags(), PHRASE)).opened).toMatchObject({ version: 2 });
    expect((await elsewhere().open(user, tags(), PHRASE)).opened).toMatchObject({ version: 3 });
  });
});

describe('the recovery key', () => {
  test('sets a new phrase, however it is typed, and stays good', async () => {
    const { recoveryKey } = await make();
    const typed = recoveryKey.toLowerCase().replaceAll('-', ' ');
    expect(await keys.isRecoveryKey(typed)).toBe(true);
    expect((await elsewhere().recover(user, tags(), typed, 'second')).opened).toMatchObject({ name: 'Therapy', version: 2 });
    expect((await elsewhere().open(user, tags(), PHRASE)).opened).toBeNull();
    expect((await elsewhere().recover(user, tags(), recoveryKey, 'third')).opened).toMatchObject({ version: 3 });
  });

  test('of something else recovers nothing', async () => {
    await make();
    const other = await elsewhere().prepare('x');
    expect((await elsewhere().recover(user, tags(), other, 'second')).opened).toBeNull();
    expect((await elsewhere().open(user, tags(), PHRASE)).opened).not.toBeNull();
  });

  test('that is mistyped is noticed', async () => {
    const { recoveryKey } = await make();
    const wrong = (recoveryKey.startsWith('A') ? 'B' : 'A') + recoveryKey.slice(1);
    expect(await keys.isRecoveryKey(wrong)).toBe(false);
    expect(await keys.isRecoveryKey(recoveryKey.slice(0, -1))).toBe(false);
  });
});

describe('when an answer is lost', () => {
  const gone = new SottoError(0, { detail: 'gone' });

  test.each(['start', 'finish'])('while one is made (%s), trying again makes it once', async (step) => {
    await keys.prepare(PHRASE);
    server.faults.set(step, { error: gone, after: true });
    await expect(keys.create(user, 'Therapy')).rejects.toBe(gone);
    expect(await keys.create(user, 'Therapy')).toMatchObject({ name: 'Therapy' });
    expect(tags()).toHaveLength(1);
  });

  test('while one is opened, it can be opened again', async () => {
    await make();
    const other = elsewhere();
    server.faults.set('unlock/finish', { error: gone, after: true });
    await expect(other.open(user, tags(), PHRASE)).rejects.toBe(gone);
    expect((await other.open(user, tags(), PHRASE)).opened).not.toBeNull();
  });

  test('a login that took too long is over, and says so', async () => {
    await make();
    server.faults.set('unlock/finish', { error: new SottoError(404, { detail: 'over' }), after: false });
    await expect(elsewhere().open(user, tags(), PHRASE)).rejects.toMatchObject({ status: 404 });
  });
});

describe('entries', () => {
  test('are opened by whoever has the phrase, at their place and revision only', async () => {
    const { opened } = await make();
    const sealed = await stored(opened.id, 1, 'Nobody knows.');
    const other = elsewhere();
    await other.open(user, tags(), PHRASE);
    const [entry] = await other.openEntries(opened.id, [sealed]);
    expect(entry).toMatchObject({ title: 'Tuesday', content: 'Nobody knows.', secretTagId: opened.id, revision: 1 });
    expect(entry!.tags).toEqual([{ id: null, name: 'rain', color: null }]);
    // An old text under a new number, and a text that was touched.
    const [moved, touched] = await other.openEntries(opened.id, [
      { ...sealed, revision: 2 },
      { ...sealed, wrap_iv: sealed.encryption_iv },
    ]);
    expect([moved, touched]).toEqual([null, null]);
  });

  test('get a key of their own at each save', async () => {
    const { opened } = await make();
    const [one, two] = [await stored(opened.id, 1, 'same'), await stored(opened.id, 1, 'same')];
    for (const part of ['encrypted_content', 'encryption_iv', 'wrapped_key', 'wrap_iv'] as const) {
      expect(one[part]).not.toBe(two[part]);
    }
  });

  test('keep their recording when the text is saved, until it is taken away', async () => {
    const { opened } = await make();
    const key = new Uint8Array(32).fill(7);
    const save = async (revision: number, content: string, audio?: Recording | null) => {
      const [entry] = await keys.openEntries(opened.id, [await stored(opened.id, revision, content, {}, audio)]);
      return entry!.audio?.key;
    };
    expect(await save(1, 'spoken', { url: '', mediaType: null, key })).toEqual(key);
    expect(await save(2, 'written as well')).toEqual(key);
    expect(await save(3, 'written alone', null)).toBeUndefined();
    expect(await save(4, 'written again')).toBeUndefined();
    expect(await save(5, 'spoken again', { url: '', mediaType: null, key })).toEqual(key);
    // Deleted, with its recording, and brought back.
    keys.forgetEntry(opened.id, entryId);
    expect(await save(1, 'spoken again')).toBeUndefined();
  });

  test('have both keys while their recording is replaced, until one is known to be stale', async () => {
    const { opened } = await make();
    const [key, formerKey, other] = [7, 6, 5].map((byte) => new Uint8Array(32).fill(byte)) as [Uint8Array, Uint8Array, Uint8Array];
    let revision = 0;
    /** The keys after this save, which was made so many ms ago. */
    const save = async (audio?: Recording, ago = 0) => {
      const more = { updated_at: new Date(Date.now() - ago).toISOString() };
      const sealed = await stored(opened.id, ++revision, 'spoken', more, audio);
      // The version says whether there are two.
      const [entry] = await keys.openEntries(opened.id, [sealed]);
      expect(Buffer.from(sealed.encrypted_content, 'base64url')[0]).toBe(entry!.audio!.formerKey ? 2 : 1);
      return [entry!.audio!.key, entry!.audio!.formerKey];
    };
    const replacing = { url: '', mediaType: null, key, formerKey };
    expect(await save(replacing)).toEqual([key, formerKey]);
    expect(await save()).toEqual([key, formerKey]);
    await keys.audioOpensWith(opened.id, entryId, other);
    expect(await save()).toEqual([key, formerKey]);
    await keys.audioOpensWith(opened.id, entryId, key);
    expect(await save()).toEqual([key, undefined]);

    // While the new one may be on its way, that the former one opens what is there says nothing.
    await save(replacing);
    await keys.audioOpensWith(opened.id, entryId, formerKey);
    expect(await save()).toEqual([key, formerKey]);
    await save(replacing, 3_600_001);
    await keys.audioOpensWith(opened.id, entryId, formerKey);
    expect(await save()).toEqual([formerKey, undefined]);
  });

  test('are gone when it is closed', async () => {
    const { opened } = await make();
    const sealed = await stored(opened.id, 1, 'x');
    keys.close(opened.id);
    expect(await keys.openEntries(opened.id, [sealed])).toEqual([null]);
    expect(() => keys.search(opened.id, { q: 'x' })).toThrow(expect.objectContaining({ name: 'Locked' }));
    await expect(stored(opened.id, 2, 'y')).rejects.toMatchObject({ name: 'Locked' });
  });

  test('are found by what was opened of them', async () => {
    const { opened } = await make();
    const second = '01990a4e-7000-7000-8000-000000000004';
    await keys.openEntries(opened.id, [await stored(opened.id, 1, 'Über den Wolken')]);
    const found = (q: string) => keys.search(opened.id, { q }).map(({ content }) => content);
    expect(found('uber wolk')).toEqual(['Über den Wolken']);
    expect(found('rain')).toEqual(['Über den Wolken']);
    expect(found('regen')).toEqual([]);
    expect(keys.knows(opened.id, second)).toBe(false);
    keys.forgetEntry(opened.id, entryId);
    expect(found('wolk')).toEqual([]);
  });
});

test('the key for drafts is the one of the protocol, and cannot be read out', async () => {
  const exportKey = new Uint8Array(64).map((_, index) => 0x80 + index);
  const master = new Uint8Array(32).map((_, index) => index);
  const wrapped = '01202122232425262728292a2b5d2f01b65053f0294f439e920023b77851a4237e06a8476a7840771dcbd35c2978ee8f892f7a0bef3a618c5ca1ce43fc';
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
