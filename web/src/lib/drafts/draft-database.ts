/**
 * The IndexedDB database of this device: encrypted drafts, conflict copies and pending recordings, and the keys of
 * drafts.
 */

import { openDB, type DBSchema, type IDBPDatabase } from 'idb';

/** Encrypted with AES-GCM. */
export type Sealed = { iv: Uint8Array<ArrayBuffer>; data: ArrayBuffer };

/** `plain` only in memory, never in the database. */
export type Box = Sealed | { plain: unknown };

/** Everything about one entry: the draft, and the base version that it started from. */
export type Slot = {
  /** `stamp` is a new UUID for each change of the text, which shows a tab whether another tab has changed it. */
  draft: { stamp: string; box: Box } | null;
  base: { revision: number | null; box: Box } | null;
};

/** `at` is in ms since 1970. */
export type ConflictCopyRow = { key: string; user: string; id: string; at: number; box: Box };

/** The description of a pending recording; see recording/recording-store.ts. `take` is the UUID of the recording. */
export type RecordingRow = { user: string; id: string; take: string; box: Sealed };

/** The names of stores and fields are those of databases that users have: a new name would lose their drafts. */
interface Schema extends DBSchema {
  /** By user. The keys cannot be exported, and are deleted at sign-out. */
  keys: { key: string; value: CryptoKey };
  slots: { key: [string, string]; value: { user: string; id: string } & Slot };
  /** Conflict copies. */
  asides: { key: string; value: ConflictCopyRow; indexes: { user: string } };
  /** Pending recordings, and their chunks, numbered from 0. */
  takes: { key: [string, string]; value: RecordingRow };
  pieces: {
    key: [string, string, string, number];
    value: { user: string; id: string; take: string; number: number; box: Sealed };
  };
}

let opening: Promise<IDBPDatabase<Schema>> | undefined;

/** Rejects where storage is forbidden or broken. */
export function database(): Promise<IDBPDatabase<Schema>> {
  opening ??= openDB<Schema>('sotto', 2, {
    upgrade(db, version) {
      if (version < 1) {
        db.createObjectStore('keys');
        db.createObjectStore('slots', { keyPath: ['user', 'id'] });
        db.createObjectStore('asides', { keyPath: 'key' }).createIndex('user', 'user');
      }
      db.createObjectStore('takes', { keyPath: ['user', 'id'] });
      db.createObjectStore('pieces', { keyPath: ['user', 'id', 'take', 'number'] });
    },
    // A newer version of the app in another tab must not wait for this one.
    blocking(_current, _blocked, event) {
      (event.target as IDBDatabase).close();
      opening = undefined;
    },
    terminated: () => (opening = undefined),
  });
  opening.catch(() => (opening = undefined));
  return opening;
}

/** Marks one request of a transaction as handled: a failure is reported by `done` of the transaction. */
export const handled = (request: Promise<unknown>) => void request.catch(() => {});

/** Users whose account was deleted. Code that is still running must no longer write for them. */
const deletedUsers = new Set<string>();

/** Deletes everything of a user whose account was deleted. */
export async function deleteUserData(user: string): Promise<void> {
  deletedUsers.add(user);
  const tx = (await database()).transaction(['keys', 'slots', 'asides', 'takes', 'pieces'], 'readwrite');
  const ofUser = IDBKeyRange.bound([user], [user, []]);
  handled(tx.objectStore('keys').delete(user));
  for (const store of ['slots', 'takes', 'pieces'] as const) handled(tx.objectStore(store).delete(ofUser));
  for (const key of await tx.objectStore('asides').index('user').getAllKeys(user))
    handled(tx.objectStore('asides').delete(key));
  await tx.done;
}

/** @throws if the account was deleted. */
export function requireAccount(user: string): void {
  if (deletedUsers.has(user)) throw new Error('the account was deleted');
}
