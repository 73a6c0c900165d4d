/** Two stores of drafts and conflict copies behind one interface: the draft database, and the memory of this page. */

import { database, handled, requireAccount, type ConflictCopyRow, type Slot } from './draft-database';

export interface DraftStore {
  read(user: string, id: string): Promise<Slot>;
  all(user: string): Promise<({ id: string } & Slot)[]>;
  /** Replaces a slot atomically. `step` maps the present slot to the new one; null leaves everything as it is. */
  change(
    user: string,
    id: string,
    step: (slot: Slot) => { slot: Slot; conflictCopies?: ConflictCopyRow[] } | null,
  ): Promise<void>;
  conflictCopies(user: string): Promise<ConflictCopyRow[]>;
  saveConflictCopy(copy: ConflictCopyRow): Promise<void>;
  discardConflictCopy(key: string): Promise<void>;
}

const EMPTY: Slot = { draft: null, base: null };

export const databaseStore: DraftStore = {
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
      handled((draft ?? base) ? slots.put({ user, id, draft, base }) : slots.delete([user, id]));
      for (const copy of next.conflictCopies ?? []) handled(tx.objectStore('asides').put(copy));
    }
    await tx.done;
  },

  async conflictCopies(user) {
    return (await database()).getAllFromIndex('asides', 'user', user);
  },

  async saveConflictCopy(copy) {
    requireAccount(copy.user);
    await (await database()).put('asides', copy);
  },

  async discardConflictCopy(key) {
    await (await database()).delete('asides', key);
  },
};

/** A store that lives as long as the page. */
export function memoryStore(): DraftStore {
  const slots = new Map<string, { user: string; id: string } & Slot>();
  const copies = new Map<string, ConflictCopyRow>();
  return {
    read: async (user, id) => slots.get(user + id) ?? EMPTY,
    all: async (user) => [...slots.values()].filter((slot) => slot.user === user),
    async change(user, id, step) {
      const next = step(slots.get(user + id) ?? EMPTY);
      if (!next) return;
      if (next.slot.draft ?? next.slot.base) slots.set(user + id, { user, id, ...next.slot });
      else slots.delete(user + id);
      for (const copy of next.conflictCopies ?? []) copies.set(copy.key, copy);
    },
    conflictCopies: async (user) => [...copies.values()].filter((copy) => copy.user === user),
    saveConflictCopy: async (copy) => void copies.set(copy.key, copy),
    discardConflictCopy: async (key) => void copies.delete(key),
  };
}
