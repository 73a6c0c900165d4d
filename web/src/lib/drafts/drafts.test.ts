import 'fake-indexeddb/auto';
import { beforeEach, describe, expect, test } from 'vitest';

import { importKey } from './cipher';
import { Drafts, TagLocked, type Environment } from './drafts';
import { database } from './draft-database';
import { databaseStore, memoryStore, type DraftStore } from './draft-store';
import type { EntryText } from './entry-text';

const text = (content: string): EntryText => ({
  title: null,
  content,
  tags: [],
  date: '2026-11-25T22:00:00.000Z',
  zone: 'UTC',
});
const newKey = () => importKey(crypto.getRandomValues(new Uint8Array(32)));

let ada: CryptoKey;
let announced: string[];

function drafts(change: Partial<Environment> = {}, store?: DraftStore): Drafts {
  const environment: Environment = {
    user: () => 'ada',
    accountKey: async () => ada,
    secretKey: () => null,
    unlockedTagIds: () => [],
    now: () => 1000,
    announce: (id) => announced.push(id),
    ...change,
  };
  return new Drafts(environment, store);
}

beforeEach(async () => {
  const db = await database().catch(() => null);
  if (db) for (const store of ['slots', 'asides'] as const) await db.clear(store);
  ada = await newKey();
  announced = [];
});

describe('a draft', () => {
  test('is there after a reload, with its base version', async () => {
    const before = drafts();
    before.inTab('1').base = { revision: 3, written: text('as it was') };
    expect(await before.save('1', text('Liebes Tagebuch 🌙'), null)).toMatchObject({ durable: true, displaced: false });

    const found = await drafts().load('1');
    expect(found!.saved).toMatchObject({
      id: '1',
      written: text('Liebes Tagebuch 🌙'),
      secretTagId: null,
      editedAt: 1000,
    });
    expect(found!.base).toEqual({ revision: 3, written: text('as it was') });
    expect(announced).toEqual(['1']);
  });

  test('is stored as ciphertext', async () => {
    await drafts().save('1', text('nobody reads this'), null);
    const raw = await (await database()).getAll('slots');
    const bytes = raw
      .flatMap(({ draft, base }) => [draft!.box, base!.box])
      .flatMap((box) => ('data' in box ? [Buffer.from(box.data)] : []));
    expect(bytes).toHaveLength(2);
    for (const box of bytes) expect(box.includes('nobody')).toBe(false);
    expect(JSON.stringify(raw)).not.toContain('nobody');
  });

  test('of another user is neither shown nor overwritten', async () => {
    await drafts().save('1', text('from Ada'), null);
    const bob = await newKey();
    const bobs = drafts({ user: () => 'bob', accountKey: async () => bob });
    expect(await bobs.list()).toEqual([]);
    expect(await bobs.load('1')).toBeNull();
    await bobs.save('1', text('from Bob'), null);
    await bobs.discard('1');
    expect((await drafts().list()).map(({ written }) => written.content)).toEqual(['from Ada']);
  });

  test('cannot be moved to another entry', async () => {
    await drafts().save('1', text('here'), null);
    const db = await database();
    const [slot] = await db.getAll('slots');
    await db.put('slots', { ...slot!, id: '2' });
    expect(await drafts().load('2')).toBeNull();
  });

  test('under a secret tag is readable and writable only while the tag is unlocked', async () => {
    const secret = await newKey();
    const open = { secretKey: () => Promise.resolve(secret), unlockedTagIds: () => ['s'] };
    await drafts(open).save('1', text('whispered'), 's');
    expect((await drafts(open).list())[0]).toMatchObject({ secretTagId: 's', written: text('whispered') });
    expect(await drafts().list()).toEqual([]);
    expect(await drafts().load('1')).toBeNull();
    await expect(drafts().save('1', text('aloud'), 's')).rejects.toThrow(TagLocked);
    expect(JSON.stringify(await (await database()).getAll('slots'))).not.toContain('"s"');
  });
});

describe('two tabs', () => {
  test('the later edit wins, and the earlier one becomes a conflict copy', async () => {
    const [left, right] = [drafts(), drafts()];
    await left.save('1', text('begun'), null);
    await right.load('1');
    await left.save('1', text('begun, left'), null);
    expect(await right.save('1', text('begun, right'), null)).toMatchObject({ displaced: true });
    expect((await drafts().read('1'))!.saved!.written.content).toBe('begun, right');
    const [copy] = await drafts().conflictCopies();
    expect(copy).toMatchObject({ id: '1', written: text('begun, left') });
    await drafts().discardConflictCopy(copy!.key);
    expect(await drafts().conflictCopies()).toEqual([]);
  });

  test('a tab that has loaded the newer text displaces nothing', async () => {
    const [left, right] = [drafts(), drafts()];
    await left.save('1', text('a'), null);
    await right.load('1');
    expect(await right.save('1', text('ab'), null)).toMatchObject({ displaced: false });
    await left.load('1');
    expect(await left.save('1', text('abc'), null)).toMatchObject({ displaced: false });
    expect(await drafts().conflictCopies()).toEqual([]);
  });
});

describe('after a draft is sent', () => {
  test('it is deleted, and its base version stays until the page is left', async () => {
    const here = drafts();
    const { stamp } = await here.save('1', text('done'), null);
    expect(await here.setBase('1', null, { revision: 1, written: text('done') }, { sent: stamp })).toBe(true);
    expect(await here.list()).toEqual([]);
    expect((await here.read('1'))!.base.revision).toBe(1);
    expect(await here.save('1', text('more'), null)).toMatchObject({ displaced: false });
    expect((await here.read('1'))!.base.revision).toBe(1);
    await here.discard('1');
    expect(await here.read('1')).toBeNull();
  });

  test('later edits stay, with the new base version', async () => {
    const here = drafts();
    const { stamp } = await here.save('1', text('sent'), null);
    await here.save('1', text('sent, and more'), null);
    await here.setBase('1', null, { revision: 1, written: text('sent') }, { sent: stamp });
    expect(await here.read('1')).toMatchObject({ saved: { written: text('sent, and more') }, base: { revision: 1 } });
    await here.release('1');
    expect(await here.list()).toHaveLength(1);
  });

  test('a tab that does not know keeps its base version, so that the server detects the conflict', async () => {
    const [left, right] = [drafts(), drafts()];
    right.inTab('1').base = left.inTab('1').base = { revision: 1, written: text('one') };
    const { stamp } = await left.save('1', text('two'), null);
    await left.setBase('1', null, { revision: 2, written: text('two') }, { sent: stamp });
    await right.save('1', text('zwei'), null);
    expect((await drafts().read('1'))!.base.revision).toBe(1);
  });
});

describe('without encrypted storage', () => {
  test('a draft stays in memory and is reported as not durable', async () => {
    const here = drafts({ accountKey: async () => null });
    expect(await here.save('1', text('only here'), null)).toMatchObject({ durable: false });
    expect((await here.list())[0]).toMatchObject({ written: text('only here') });
    expect(await (await database()).getAll('slots')).toEqual([]);
  });

  test('a full disk loses no draft, and a sent draft leaves nothing behind', async () => {
    let full = false;
    const store: DraftStore = {
      ...databaseStore,
      change: async (...step) => {
        if (full) throw new DOMException('full', 'QuotaExceededError');
        return databaseStore.change(...step);
      },
    };
    const here = drafts({}, store);
    await here.save('1', text('first'), null);
    full = true;
    const { durable, stamp } = await here.save('1', text('first, second'), null);
    expect(durable).toBe(false);
    expect((await here.list()).map(({ written }) => written.content)).toEqual(['first, second']);
    full = false;
    await here.setBase('1', null, { revision: 1, written: text('first, second') }, { sent: stamp });
    expect(await here.list()).toEqual([]);
    expect(await drafts().list()).toEqual([]);
  });

  test('blocked storage is no error', async () => {
    const forbidden = {
      ...memoryStore(),
      read: () => Promise.reject(new Error()),
      all: () => Promise.reject(new Error()),
      change: () => Promise.reject(new Error()),
    };
    const here = drafts({}, forbidden);
    expect(await here.save('1', text('a'), null)).toMatchObject({ durable: false });
    expect((await here.load('1'))!.saved!.written.content).toBe('a');
  });
});
