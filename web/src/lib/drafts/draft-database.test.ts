import 'fake-indexeddb/auto';
import { openDB } from 'idb';
import { expect, test } from 'vitest';

import { importKey } from './cipher';
import { database, deleteUserData } from './draft-database';
import { databaseStore } from './draft-store';
import { RecordingStore } from '../recording/recording-store';

test('drafts survive the upgrade from a version without recordings', async () => {
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

  expect((await databaseStore.read('ada', '1')).draft?.stamp).toBe('one');
  expect([...(await database()).objectStoreNames].sort()).toEqual(['asides', 'keys', 'pieces', 'slots', 'takes']);
});

test('deleting the data of an account is complete and permanent, and keeps the data of others', async () => {
  const key = await importKey(crypto.getRandomValues(new Uint8Array(32)));
  const db = await database();
  const box = { plain: 'x' };
  const recordingsOf = (user: string) =>
    new RecordingStore({
      user: () => user,
      accountKey: async () => key,
      secretKey: () => null,
      unlockedTagIds: () => [],
      now: () => 1,
    });
  const write = async (user: string) => {
    await databaseStore.change(user, '1', () => ({ slot: { draft: { stamp: 'one', box }, base: null } }));
    await databaseStore.saveConflictCopy({ key: `${user} aside`, user, id: '1', at: 1, box });
    const writer = await recordingsOf(user).start('1', null);
    writer!.add(new Blob(['x']), 1);
    expect(await writer!.done()).toBe(true);
    return writer!;
  };
  // One user id is a prefix of the other.
  const [writer] = [await write('ada'), await write('adam')];
  for (const user of ['ada', 'adam']) await db.put('keys', key, user);

  await deleteUserData('ada');
  const remainingUsers = async () => {
    const rows = await Promise.all((['slots', 'asides', 'takes', 'pieces'] as const).map((store) => db.getAll(store)));
    return [...rows.map((all) => all.map((row) => row.user)), await db.getAllKeys('keys')];
  };
  const adam = Array(5).fill(['adam']);
  expect(await remainingUsers()).toEqual(adam);

  await expect(
    databaseStore.change('ada', '1', () => ({ slot: { draft: { stamp: 'two', box }, base: null } })),
  ).rejects.toThrow('was deleted');
  await expect(databaseStore.saveConflictCopy({ key: 'two', user: 'ada', id: '1', at: 1, box })).rejects.toThrow(
    'was deleted',
  );
  writer.add(new Blob(['y']), 2);
  expect(await writer.done()).toBe(false);
  expect(await recordingsOf('ada').start('1', null)).toBeNull();
  expect(await remainingUsers()).toEqual(adam);
});
