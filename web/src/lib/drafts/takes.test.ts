import 'fake-indexeddb/auto';
import { beforeEach, describe, expect, test, vi } from 'vitest';

import { importKey } from './cipher';
import { database } from './shelf';
import { Takes, type Found } from './takes';

const newKey = () => importKey(crypto.getRandomValues(new Uint8Array(32)));
const piece = (text: string) => new Blob([text], { type: 'audio/webm;codecs=opus' });

let ada: CryptoKey;
let tag: CryptoKey;
/** The secret tag that is open. */
let opened: string[];

function takes(user = 'ada', accountKey: () => Promise<CryptoKey | null> = async () => ada): Takes {
  return new Takes({
    user: () => user,
    accountKey,
    secretKey: (id) => (opened.includes(id) ? Promise.resolve(tag) : null),
    openSecretTags: () => opened,
    now: () => 1000,
  });
}

const text = async (id: string, from = takes()) => {
  const found = await from.read(id);
  return found === 'closed' ? found : found?.blob.text();
};
const rows = async () => {
  const db = await database();
  return [await db.getAll('takes'), await db.getAll('pieces')] as const;
};

beforeEach(async () => {
  const db = await database();
  for (const store of ['takes', 'pieces'] as const) await db.clear(store);
  [ada, tag, opened] = [await newKey(), await newKey(), []];
});

describe('a recording', () => {
  test('is there after a crash, as far as its pieces came', async () => {
    const reel = await takes().begin('1', null);
    reel!.add(piece('one '), 1);
    reel!.add(piece('two'), 2);
    expect(await reel!.done()).toBe(true);
    const found = (await takes().read('1')) as Found;
    expect(found).toMatchObject({ type: 'audio/webm;codecs=opus', seconds: 2, secretTagId: null, at: 1000 });
    expect([found.blob.type, await found.blob.text()]).toEqual(['audio/webm;codecs=opus', 'one two']);
    expect(await text('2')).toBeUndefined();
    expect(await text('1', takes('bob'))).toBeUndefined();
  });

  test('of which nothing came yet is none', async () => {
    await takes().begin('1', null);
    expect([await takes().read('1'), await takes().has('1')]).toEqual([null, false]);
  });

  test('lies on the device as ciphertext, bound to its place', async () => {
    const reel = await takes().begin('1', null);
    for (const word of ['whispered', 'softly', 'here']) reel!.add(piece(word), 1);
    await reel!.done();
    const [[about], pieces] = await rows();
    const boxes = [about!.box, ...pieces.map(({ box }) => box)];
    for (const { data } of boxes) expect(Buffer.from(data).toString('latin1')).not.toMatch(/whispered|softly|opus/);
    // A piece that was put in the place of another one ends what can be played.
    const db = await database();
    await db.put('pieces', { ...pieces[1]!, box: pieces[2]!.box });
    expect(await text('1')).toBe('whispered');
    await db.put('takes', { ...about!, id: '2' });
    await db.put('pieces', { ...pieces[0]!, id: '2' });
    expect(await takes().read('2')).toBe('closed');
  });

  test('is listed as long as it can be opened, and once something of it has come', async () => {
    opened = ['therapy'];
    for (const [id, under] of [['1', null], ['2', 'therapy']] as const) {
      const reel = await takes().begin(id, under);
      reel!.add(piece('word'), 3);
      await reel!.done();
    }
    await takes().begin('3', null);
    const [open, sealed] = [{ id: '1', seconds: 3, secretTagId: null, at: 1000 }, { id: '2', seconds: 3, secretTagId: 'therapy', at: 1000 }];
    expect(await takes().list()).toMatchObject([open, sealed]);
    opened = [];
    const listed = await takes().list();
    expect(listed).toHaveLength(1);
    expect(listed).toMatchObject([open]);
    expect(await takes('bob').list()).toEqual([]);
  });

  test('under a secret tag opens while that is open, and goes on being stored when it is closed', async () => {
    expect(await takes().begin('1', 'therapy')).toBeNull();
    opened = ['therapy'];
    const reel = await takes().begin('1', 'therapy');
    reel!.add(piece('one '), 1);
    await reel!.done();
    opened = [];
    reel!.add(piece('two'), 2);
    expect(await reel!.done()).toBe(true);
    // It is there, which is another thing than nothing.
    expect([await takes().read('1'), await takes().has('1')]).toEqual(['closed', true]);
    expect([await takes().has('2'), await takes('bob').has('1')]).toEqual([false, false]);
    opened = ['therapy'];
    expect(await takes().read('1')).toMatchObject({ secretTagId: 'therapy', seconds: 2 });
    expect(await text('1')).toBe('one two');
  });

  test('takes the place of the one before, and is thrown away whole', async () => {
    const first = await takes().begin('1', null);
    first!.add(piece('first'), 1);
    await first!.done();
    const second = await takes().begin('1', null);
    second!.add(piece('second'), 1);
    await second!.done();
    expect(await text('1')).toBe('second');
    // The first one is not told to be stored any more, and takes nothing of the second one along.
    const lost = vi.fn();
    first!.onlost = lost;
    first!.add(piece(' and more'), 2);
    expect(await first!.done()).toBe(false);
    expect(lost).toHaveBeenCalledOnce();
    expect(await text('1')).toBe('second');
    await takes().remove('1');
    expect(await rows()).toEqual([[], []]);
  });

  test('moves as a whole, or stays where it is', async () => {
    const reel = await takes().begin('1', null);
    for (const word of ['one ', 'two']) reel!.add(piece(word), 2);
    await reel!.done();
    const { blob } = (await takes().read('1')) as Found;
    const before = await rows();
    // Neither without a key, nor without room.
    expect(await takes().put('1', 'therapy', blob, 2)).toBe(false);
    opened = ['therapy'];
    const putting = IDBObjectStore.prototype.put;
    const full = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, ...row) {
      if (this.name === 'pieces') throw new DOMException('full', 'QuotaExceededError');
      return putting.apply(this, row);
    });
    expect(await takes().put('1', 'therapy', blob, 2)).toBe(false);
    full.mockRestore();
    expect(await rows()).toEqual(before);

    expect(await takes().put('1', 'therapy', blob, 2)).toBe(true);
    expect(await takes().read('1')).toMatchObject({ secretTagId: 'therapy', seconds: 2, type: 'audio/webm;codecs=opus' });
    expect(await text('1')).toBe('one two');
    // Nothing is left of it under the former key.
    opened = [];
    expect(await takes().read('1')).toBe('closed');
  });

  test('is not taken for nothing when the storage does not answer', async () => {
    const reel = await takes().begin('1', null);
    reel!.add(piece('one'), 1);
    await reel!.done();
    const broken = vi.spyOn(IDBObjectStore.prototype, 'get').mockImplementation(() => {
      throw new DOMException('not now', 'UnknownError');
    });
    expect(await takes().read('1')).toBe('closed');
    broken.mockRestore();
    expect(await text('1')).toBe('one');
  });

  test('for which there is no room is told, and leaves nothing', async () => {
    const reel = await takes().begin('1', null);
    const lost = vi.fn();
    reel!.onlost = lost;
    reel!.add(piece('one'), 1);
    await reel!.done();
    const full = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError');
    });
    reel!.add(piece('two'), 2);
    expect(await reel!.done()).toBe(false);
    full.mockRestore();
    reel!.add(piece('three'), 3);
    expect(await reel!.done()).toBe(false);
    expect(lost).toHaveBeenCalledOnce();
    expect(await rows()).toEqual([[], []]);
  });

  test('is not stored without a key', async () => {
    expect(await takes('ada', async () => null).begin('1', null)).toBeNull();
    expect(await rows()).toEqual([[], []]);
  });
});
