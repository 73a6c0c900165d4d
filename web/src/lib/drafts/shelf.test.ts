import 'fake-indexeddb/auto';
import { openDB } from 'idb';
import { expect, test } from 'vitest';

import { database, stored } from './shelf';

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
