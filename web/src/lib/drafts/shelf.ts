/** Where drafts lie: in IndexedDB, or in the memory of this page when the browser offers nothing safe. */

import { openDB, type DBSchema, type IDBPDatabase } from 'idb';

/** Encrypted with AES-GCM. */
export type Sealed = { iv: Uint8Array<ArrayBuffer>; data: ArrayBuffer };

/** In the clear only on the shelf in memory. */
export type Box = Sealed | { plain: unknown };

/** All of one entry: what was written and is not sent yet, and the ground that it stands on. */
export type Slot = {
  /** `stamp` is new with each change of the text, so that a tab sees whether another one was at work. */
  draft: { stamp: string; box: Box } | null;
  base: { revision: number | null; box: Box } | null;
};

/** A version that lost against a later one. It stays until the person throws it away. */
export type Aside = { key: string; user: string; id: string; at: number; box: Box };

/** What is known of the recording of an entry that is not kept yet; see takes.ts. */
export type Take = { user: string; id: string; take: string; box: Sealed };

export interface Shelf {
  read(user: string, id: string): Promise<Slot>;
  all(user: string): Promise<({ id: string } & Slot)[]>;
  /** One atomic step. It is given what is there, and answers what shall be; null leaves everything as it is. */
  change(user: string, id: string, step: (slot: Slot) => { slot: Slot; aside?: Aside[] } | null): Promise<void>;
  asides(user: string): Promise<Aside[]>;
  putAside(aside: Aside): Promise<void>;
  removeAside(key: string): Promise<void>;
}

/** Nothing of these accounts is stored any more, whoever is still about to. */
const gone = new Set<string>();

/** Deletes everything of an account that is no more. */
export async function forgetAccount(user: string): Promise<void> {
  gone.add(user);
  const tx = (await database()).transaction(['keys', 'slots', 'asides', 'takes', 'pieces'], 'readwrite');
  const ofUser = IDBKeyRange.bound([user], [user, []]);
  part(tx.objectStore('keys').delete(user));
  for (const store of ['slots', 'takes', 'pieces'] as const) part(tx.objectStore(store).delete(ofUser));
  for (const key of await tx.objectStore('asides').index('user').getAllKeys(user)) part(tx.objectStore('asides').delete(key));
  await tx.done;
}

/** @throws if the account is no more. */
export function requireAccount(user: string): void {
  if (gone.has(user)) throw new Error('the account is no more');
}

const EMPTY: Slot = { draft: null, base: null };

interface Schema extends DBSchema {
  /** By account. They cannot be exported, and are deleted when the person signs out. */
  keys: { key: string; value: CryptoKey };
  slots: { key: [string, string]; value: { user: string; id: string } & Slot };
  asides: { key: string; value: Aside; indexes: { user: string } };
  takes: { key: [string, string]; value: Take };
  /** Its pieces, from 0. */
  pieces: { key: [string, string, string, number]; value: { user: string; id: string; take: string; number: number; box: Sealed } };
}

/** One part of a transaction: whether it failed is said by the whole. */
export const part = (one: Promise<unknown>) => void one.catch(() => {});

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
    // A newer app in another tab must not wait for this one.
    blocking(_current, _blocked, event) {
      (event.target as IDBDatabase).close();
      opening = undefined;
    },
    terminated: () => (opening = undefined),
  });
  opening.catch(() => (opening = undefined));
  return opening;
}

export const stored: Shelf = {
  async read(user, id) {
    return (await (await database()).get('slots', [user, id])) ?? EMPTY;
  },

  async all(user) {
    return (await database()).getAll('slots', IDBKeyRange.bound([user], [user, []]));
  },

  async change(user, id, step) {
    requireAccount(user);
    const tx = (await database()).transaction(['slots', 'asides'], 'readwrite', { durability: 'strict' });
    const slots = tx.objectStore('slots');
    const next = step((await slots.get([user, id])) ?? EMPTY);
    if (next) {
      const { draft, base } = next.slot;
      part(draft ?? base ? slots.put({ user, id, draft, base }) : slots.delete([user, id]));
      for (const aside of next.aside ?? []) part(tx.objectStore('asides').put(aside));
    }
    await tx.done;
  },

  async asides(user) {
    return (await database()).getAllFromIndex('asides', 'user', user);
  },

  async putAside(aside) {
    requireAccount(aside.user);
    await (await database()).put('asides', aside);
  },

  async removeAside(key) {
    await (await database()).delete('asides', key);
  },
};

/** Forgets everything with the page; the app says so where it is used. */
export function inMemory(): Shelf {
  const slots = new Map<string, { user: string; id: string } & Slot>();
  const asides = new Map<string, Aside>();
  return {
    read: async (user, id) => slots.get(user + id) ?? EMPTY,
    all: async (user) => [...slots.values()].filter((slot) => slot.user === user),
    async change(user, id, step) {
      const next = step(slots.get(user + id) ?? EMPTY);
      if (!next) return;
      if (next.slot.draft ?? next.slot.base) slots.set(user + id, { user, id, ...next.slot });
      else slots.delete(user + id);
      for (const aside of next.aside ?? []) asides.set(aside.key, aside);
    },
    asides: async (user) => [...asides.values()].filter((aside) => aside.user === user),
    putAside: async (aside) => void asides.set(aside.key, aside),
    removeAside: async (key) => void asides.delete(key),
  };
}
