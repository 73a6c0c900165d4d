import 'fake-indexeddb/auto';
import { openDB } from 'idb';
import { expect, test } from 'vitest';

import { importKey } from './cipher';
import { database, forgetAccount, stored } from './shelf';
import { Takes } from './takes';

test('drafts of an app that stored no recordings are still there', async () => {
  const before = await openDB('sotto', 1, {
    upgrade(db) {
      db.createObjectStore('keys');
      db.createObjectStore('slots', { keyPath: ['user', 'id'] });
      db.createObjectStore('asides', { keyPath: 'key' }).createIndex('user', 'user');
    },
  });
  const draft = { stamp: 'one', box: { iv: new Uint8Array(12), data: new ArrayBuffer(3) } };
  await before.put('slots', { user: 'ada', id: '1', draft, base: null });
  before.close();

  expect((await stored.read('ada', '1')).draft?.stamp).toBe('one');
  expect([...(await database()).objectStoreNames].sort()).toEqual(['asides', 'keys', 'pieces', 'slots', 'takes']);
});

test('of an account that is deleted nothing stays, nothing comes back, and others keep what is theirs', async () => {
  const key = await importKey(crypto.getRandomValues(new Uint8Array(32)));
  const db = await database();
  const box = { plain: 'x' };
  const takesOf = (user: string) =>
    new Takes({ user: () => user, accountKey: async () => key, secretKey: () => null, openSecretTags: () => [], now: () => 1 });
  const write = async (user: string) => {
    await stored.change(user, '1', () => ({ slot: { draft: { stamp: 'one', box }, base: null } }));
    await stored.putAside({ key: `${user} aside`, user, id: '1', at: 1, box });
    const reel = await takesOf(user).begin('1', null);
    reel!.add(new Blob(['x']), 1);
    expect(await reel!.done()).toBe(true);
    return reel!;
  };
  // One name begins with the other.
  const [reel] = [await write('ada'), await write('adam')];
  for (const user of ['ada', 'adam']) await db.put('keys', key, user);

  await forgetAccount('ada');
  const left = async () => {
    const rows = await Promise.all((['slots', 'asides', 'takes', 'pieces'] as const).map((store) => db.getAll(store)));
    return [...rows.map((all) => all.map((row) => row.user)), await db.getAllKeys('keys')];
  };
  const adam = Array(5).fill(['adam']);
  expect(await left()).toEqual(adam);

  await expect(stored.change('ada', '1', () => ({ slot: { draft: { stamp: 'two', box }, base: null } }))).rejects.toThrow('no more');
  await expect(stored.putAside({ key: 'two', user: 'ada', id: '1', at: 1, box })).rejects.toThrow('no more');
  reel.add(new Blob(['y']), 2);
  expect(await reel.done()).toBe(false);
  expect(await takesOf('ada').begin('1', null)).toBeNull();
  expect(await left()).toEqual(adam);
});
