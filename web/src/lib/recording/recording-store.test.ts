import 'fake-indexeddb/auto';
import { beforeEach, describe, expect, test, vi } from 'vitest';

import { importKey } from '../drafts/cipher';
import { database } from '../drafts/draft-database';
import { RecordingStore, type StoredRecording } from './recording-store';

const newKey = () => importKey(crypto.getRandomValues(new Uint8Array(32)));
const chunk = (text: string) => new Blob([text], { type: 'audio/webm;codecs=opus' });

let ada: CryptoKey;
let tag: CryptoKey;
/** The ids of the unlocked secret tags. */
let unlockedIds: string[];

function storeOf(user = 'ada', accountKey: () => Promise<CryptoKey | null> = async () => ada): RecordingStore {
  return new RecordingStore({
    user: () => user,
    accountKey,
    secretKey: (id) => (unlockedIds.includes(id) ? Promise.resolve(tag) : null),
    unlockedTagIds: () => unlockedIds,
    now: () => 1000,
  });
}

const readText = async (id: string, from = storeOf()) => {
  const found = await from.read(id);
  return found === 'locked' ? found : found?.blob.text();
};
const rows = async () => {
  const db = await database();
  return [await db.getAll('takes'), await db.getAll('pieces')] as const;
};

beforeEach(async () => {
  const db = await database();
  for (const store of ['takes', 'pieces'] as const) await db.clear(store);
  [ada, tag, unlockedIds] = [await newKey(), await newKey(), []];
});

describe('a recording', () => {
  test('is there after a crash, up to its last stored chunk', async () => {
    const writer = await storeOf().start('1', null);
    writer!.add(chunk('one '), 1);
    writer!.add(chunk('two'), 2);
    expect(await writer!.done()).toBe(true);
    const found = (await storeOf().read('1')) as StoredRecording;
    expect(found).toMatchObject({ type: 'audio/webm;codecs=opus', seconds: 2, secretTagId: null, at: 1000 });
    expect([found.blob.type, await found.blob.text()]).toEqual(['audio/webm;codecs=opus', 'one two']);
    expect(await readText('2')).toBeUndefined();
    expect(await readText('1', storeOf('bob'))).toBeUndefined();
  });

  test('without chunks is not found', async () => {
    await storeOf().start('1', null);
    expect([await storeOf().read('1'), await storeOf().has('1')]).toEqual([null, false]);
  });

  test('is stored as ciphertext that is bound to its id and position', async () => {
    const writer = await storeOf().start('1', null);
    for (const word of ['whispered', 'softly', 'here']) writer!.add(chunk(word), 1);
    await writer!.done();
    const [[about], pieces] = await rows();
    const boxes = [about!.box, ...pieces.map(({ box }) => box)];
    for (const { data } of boxes) expect(Buffer.from(data).toString('latin1')).not.toMatch(/whispered|softly|opus/);
    // A chunk in the place of another one ends the playable part.
    const db = await database();
    await db.put('pieces', { ...pieces[1]!, box: pieces[2]!.box });
    expect(await readText('1')).toBe('whispered');
    await db.put('takes', { ...about!, id: '2' });
    await db.put('pieces', { ...pieces[0]!, id: '2' });
    expect(await storeOf().read('2')).toBe('locked');
  });

  test('is listed only while it can be decrypted and has a chunk', async () => {
    unlockedIds = ['therapy'];
    for (const [id, under] of [
      ['1', null],
      ['2', 'therapy'],
    ] as const) {
      const writer = await storeOf().start(id, under);
      writer!.add(chunk('word'), 3);
      await writer!.done();
    }
    await storeOf().start('3', null);
    const [open, sealed] = [
      { id: '1', seconds: 3, secretTagId: null, at: 1000 },
      { id: '2', seconds: 3, secretTagId: 'therapy', at: 1000 },
    ];
    expect(await storeOf().list()).toMatchObject([open, sealed]);
    unlockedIds = [];
    const listed = await storeOf().list();
    expect(listed).toHaveLength(1);
    expect(listed).toMatchObject([open]);
    expect(await storeOf('bob').list()).toEqual([]);
  });

  test('under a secret tag is readable only while the tag is unlocked, and is still stored after a lock', async () => {
    expect(await storeOf().start('1', 'therapy')).toBeNull();
    unlockedIds = ['therapy'];
    const writer = await storeOf().start('1', 'therapy');
    writer!.add(chunk('one '), 1);
    await writer!.done();
    unlockedIds = [];
    writer!.add(chunk('two'), 2);
    expect(await writer!.done()).toBe(true);
    // A locked recording is different from a missing one.
    expect([await storeOf().read('1'), await storeOf().has('1')]).toEqual(['locked', true]);
    expect([await storeOf().has('2'), await storeOf('bob').has('1')]).toEqual([false, false]);
    unlockedIds = ['therapy'];
    expect(await storeOf().read('1')).toMatchObject({ secretTagId: 'therapy', seconds: 2 });
    expect(await readText('1')).toBe('one two');
  });

  test('replaces the previous one, and is discarded completely', async () => {
    const first = await storeOf().start('1', null);
    first!.add(chunk('first'), 1);
    await first!.done();
    const second = await storeOf().start('1', null);
    second!.add(chunk('second'), 1);
    await second!.done();
    expect(await readText('1')).toBe('second');
    // The first writer reports a loss and does not touch the second recording.
    const lost = vi.fn();
    first!.onlost = lost;
    first!.add(chunk(' and more'), 2);
    expect(await first!.done()).toBe(false);
    expect(lost).toHaveBeenCalledOnce();
    expect(await readText('1')).toBe('second');
    await storeOf().discard('1');
    expect(await rows()).toEqual([[], []]);
  });

  test('moves completely or not at all', async () => {
    const writer = await storeOf().start('1', null);
    for (const word of ['one ', 'two']) writer!.add(chunk(word), 2);
    await writer!.done();
    const { blob } = (await storeOf().read('1')) as StoredRecording;
    const before = await rows();
    // The move fails without a key and on a full device.
    expect(await storeOf().put('1', 'therapy', blob, 2)).toBe(false);
    unlockedIds = ['therapy'];
    const originalPut = IDBObjectStore.prototype.put;
    const full = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, ...row) {
      if (this.name === 'pieces') throw new DOMException('full', 'QuotaExceededError');
      return originalPut.apply(this, row);
    });
    expect(await storeOf().put('1', 'therapy', blob, 2)).toBe(false);
    full.mockRestore();
    expect(await rows()).toEqual(before);

    expect(await storeOf().put('1', 'therapy', blob, 2)).toBe(true);
    expect(await storeOf().read('1')).toMatchObject({
      secretTagId: 'therapy',
      seconds: 2,
      type: 'audio/webm;codecs=opus',
    });
    expect(await readText('1')).toBe('one two');
    // Nothing remains under the former key.
    unlockedIds = [];
    expect(await storeOf().read('1')).toBe('locked');
  });

  test('counts as locked, not as missing, when the storage fails', async () => {
    const writer = await storeOf().start('1', null);
    writer!.add(chunk('one'), 1);
    await writer!.done();
    const broken = vi.spyOn(IDBObjectStore.prototype, 'get').mockImplementation(() => {
      throw new DOMException('not now', 'UnknownError');
    });
    expect(await storeOf().read('1')).toBe('locked');
    broken.mockRestore();
    expect(await readText('1')).toBe('one');
  });

  test('that does not fit on the device is reported as lost, and leaves nothing', async () => {
    const writer = await storeOf().start('1', null);
    const lost = vi.fn();
    writer!.onlost = lost;
    writer!.add(chunk('one'), 1);
    await writer!.done();
    const full = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError');
    });
    writer!.add(chunk('two'), 2);
    expect(await writer!.done()).toBe(false);
    full.mockRestore();
    writer!.add(chunk('three'), 3);
    expect(await writer!.done()).toBe(false);
    expect(lost).toHaveBeenCalledOnce();
    expect(await rows()).toEqual([[], []]);
  });

  test('is not stored without a key', async () => {
    expect(await storeOf('ada', async () => null).start('1', null)).toBeNull();
    expect(await rows()).toEqual([[], []]);
  });
});
