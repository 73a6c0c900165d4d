import 'fake-indexeddb/auto';
import { beforeEach, describe, expect, test } from 'vitest';

import { importKey } from './cipher';
import { Drafts, Locked, type Environment } from './drafts';
import { database, inMemory, stored, type Shelf } from './shelf';
import type { Written } from './written';

const text = (content: string): Written => ({ title: null, content, tags: [], date: '2026-11-25T22:00:00.000Z', zone: 'UTC' });
const newKey = () => importKey(crypto.getRandomValues(new Uint8Array(32)));

let ada: CryptoKey;
let said: string[];

function drafts(change: Partial<Environment> = {}, shelf?: Shelf): Drafts {
  const environment: Environment = {
    user: () => 'ada',
    accountKey: async () => ada,
    secretKey: () => null,
    openSecretTags: () => [],
    now: () => 1000,
    announce: (id) => said.push(id),
    ...change,
  };
  return new Drafts(environment, shelf);
}

beforeEach(async () => {
  const db = await database().catch(() => null);
  if (db) for (const store of ['slots', 'asides'] as const) await db.clear(store);
  ada = await newKey();
  said = [];
});

describe('a draft', () => {
  test('is there after the page is loaded again, with the ground it stands on', async () => {
    const before = drafts();
    before.hold('1').base = { revision: 3, written: text('as it was') };
    expect(await before.keep('1', text('Liebes Tagebuch 🌙'), null)).toMatchObject({ durable: true, displaced: false });

    const found = await drafts().take('1');
    expect(found!.kept).toMatchObject({ id: '1', written: text('Liebes Tagebuch 🌙'), secretTagId: null, editedAt: 1000 });
    expect(found!.base).toEqual({ revision: 3, written: text('as it was') });
    expect(said).toEqual(['1']);
  });

  test('lies on the device as ciphertext', async () => {
    await drafts().keep('1', text('nobody reads this'), null);
    const raw = await (await database()).getAll('slots');
    const bytes = raw.flatMap(({ draft, base }) => [draft!.box, base!.box]).flatMap((box) => ('data' in box ? [Buffer.from(box.data)] : []));
    expect(bytes).toHaveLength(2);
    for (const box of bytes) expect(box.includes('nobody')).toBe(false);
    expect(JSON.stringify(raw)).not.toContain('nobody');
  });

  test('of somebody else is neither shown nor overwritten', async () => {
    await drafts().keep('1', text('from Ada'), null);
    const bob = await newKey();
    const bobs = drafts({ user: () => 'bob', accountKey: async () => bob });
    expect(await bobs.list()).toEqual([]);
    expect(await bobs.take('1')).toBeNull();
    await bobs.keep('1', text('from Bob'), null);
    await bobs.remove('1');
    expect((await drafts().list()).map(({ written }) => written.content)).toEqual(['from Ada']);
  });

  test('cannot be moved to another entry', async () => {
    await drafts().keep('1', text('here'), null);
    const db = await database();
    const [slot] = await db.getAll('slots');
    await db.put('slots', { ...slot!, id: '2' });
    expect(await drafts().take('2')).toBeNull();
  });

  test('under a secret tag is there while the tag is open, and cannot be written while it is locked', async () => {
    const secret = await newKey();
    const open = { secretKey: () => Promise.resolve(secret), openSecretTags: () => ['s'] };
    await drafts(open).keep('1', text('whispered'), 's');
    expect((await drafts(open).list())[0]).toMatchObject({ secretTagId: 's', written: text('whispered') });
    expect(await drafts().list()).toEqual([]);
    expect(await drafts().take('1')).toBeNull();
    await expect(drafts().keep('1', text('aloud'), 's')).rejects.toThrow(Locked);
    expect(JSON.stringify(await (await database()).getAll('slots'))).not.toContain('"s"');
  });
});

describe('two tabs', () => {
  test('the later edit wins, and the earlier one is put aside', async () => {
    const [left, right] = [drafts(), drafts()];
    await left.keep('1', text('begun'), null);
    await right.take('1');
    await left.keep('1', text('begun, left'), null);
    expect(await right.keep('1', text('begun, right'), null)).toMatchObject({ displaced: true });
    expect((await drafts().read('1'))!.kept!.written.content).toBe('begun, right');
    const [aside] = await drafts().asides();
    expect(aside).toMatchObject({ id: '1', written: text('begun, left') });
    await drafts().removeAside(aside!.key);
    expect(await drafts().asides()).toEqual([]);
  });

  test('who took the newer text over displaces nothing', async () => {
    const [left, right] = [drafts(), drafts()];
    await left.keep('1', text('a'), null);
    await right.take('1');
    expect(await right.keep('1', text('ab'), null)).toMatchObject({ displaced: false });
    await left.take('1');
    expect(await left.keep('1', text('abc'), null)).toMatchObject({ displaced: false });
    expect(await drafts().asides()).toEqual([]);
  });
});

describe('when it was sent', () => {
  test('it is gone, and the ground stays until the page is left', async () => {
    const here = drafts();
    const { stamp } = await here.keep('1', text('done'), null);
    expect(await here.ground('1', null, { revision: 1, written: text('done') }, { sent: stamp })).toBe(true);
    expect(await here.list()).toEqual([]);
    expect((await here.read('1'))!.base.revision).toBe(1);
    expect(await here.keep('1', text('more'), null)).toMatchObject({ displaced: false });
    expect((await here.read('1'))!.base.revision).toBe(1);
    await here.remove('1');
    expect(await here.read('1')).toBeNull();
  });

  test('what was written meanwhile stays, on the new ground', async () => {
    const here = drafts();
    const { stamp } = await here.keep('1', text('sent'), null);
    await here.keep('1', text('sent, and more'), null);
    await here.ground('1', null, { revision: 1, written: text('sent') }, { sent: stamp });
    expect(await here.read('1')).toMatchObject({ kept: { written: text('sent, and more') }, base: { revision: 1 } });
    await here.release('1');
    expect(await here.list()).toHaveLength(1);
  });

  test('a tab that did not hear of it keeps its own ground, so that the server sees the conflict', async () => {
    const [left, right] = [drafts(), drafts()];
    right.hold('1').base = left.hold('1').base = { revision: 1, written: text('one') };
    const { stamp } = await left.keep('1', text('two'), null);
    await left.ground('1', null, { revision: 2, written: text('two') }, { sent: stamp });
    await right.keep('1', text('zwei'), null);
    expect((await drafts().read('1'))!.base.revision).toBe(1);
  });
});

describe('without a safe place', () => {
  test('a draft stays in memory, and says so', async () => {
    const here = drafts({ accountKey: async () => null });
    expect(await here.keep('1', text('only here'), null)).toMatchObject({ durable: false });
    expect((await here.list())[0]).toMatchObject({ written: text('only here') });
    expect(await (await database()).getAll('slots')).toEqual([]);
  });

  test('a full disk loses nothing, and nothing stays behind once there is room and it is sent', async () => {
    let full = false;
    const shelf: Shelf = {
      ...stored,
      change: async (...step) => {
        if (full) throw new DOMException('full', 'QuotaExceededError');
        return stored.change(...step);
      },
    };
    const here = drafts({}, shelf);
    await here.keep('1', text('first'), null);
    full = true;
    const { durable, stamp } = await here.keep('1', text('first, second'), null);
    expect(durable).toBe(false);
    expect((await here.list()).map(({ written }) => written.content)).toEqual(['first, second']);
    full = false;
    await here.ground('1', null, { revision: 1, written: text('first, second') }, { sent: stamp });
    expect(await here.list()).toEqual([]);
    expect(await drafts().list()).toEqual([]);
  });

  test('storage that is forbidden is no error', async () => {
    const forbidden = { ...inMemory(), read: () => Promise.reject(new Error()), all: () => Promise.reject(new Error()), change: () => Promise.reject(new Error()) };
    const here = drafts({}, forbidden);
    expect(await here.keep('1', text('a'), null)).toMatchObject({ durable: false });
    expect((await here.take('1'))!.kept!.written.content).toBe('a');
  });
});

