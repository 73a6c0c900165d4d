/** Finds the entries before and after one. */

import { dayIn } from '../format';
import { addDays } from '../days';
import { newestFirst, type Entry, type EntryStore } from './entry';

export type Neighbours = { older: Entry | null; newer: Entry | null };

/** The ranges in which a newer entry is searched, in days, before the search is unlimited. */
const AHEAD = [7, 90, 800];

/** The server lists entries newest first only, so the next newer entry is the last one in a range of following days. */
export async function neighbours(entry: Entry, store: EntryStore, signal?: AbortSignal): Promise<Neighbours> {
  const day = dayIn(entry.date, entry.zone);
  const [older, newer] = await Promise.all([
    findOlder(entry, day, store, signal),
    findNewer(entry, day, store, signal),
  ]);
  return { older, newer };
}

async function findOlder(entry: Entry, day: string, store: EntryStore, signal?: AbortSignal): Promise<Entry | null> {
  // Includes the next day, because an older entry in another time zone can have a later day.
  for await (const other of each(store, { to: addDays(day, 1) }, signal)) {
    if (newestFirst(entry, other) < 0) return other;
  }
  return null;
}

async function findNewer(entry: Entry, day: string, store: EntryStore, signal?: AbortSignal): Promise<Entry | null> {
  const from = addDays(day, -1);
  for (const days of [...AHEAD, undefined]) {
    const to = days === undefined ? undefined : addDays(day, days);
    let last: Entry | null = null;
    for await (const other of each(store, { from, to }, signal)) {
      if (newestFirst(entry, other) <= 0) break;
      last = other;
    }
    if (last) return last;
  }
  return null;
}

async function* each(
  store: EntryStore,
  query: { from?: string; to?: string },
  signal?: AbortSignal,
): AsyncGenerator<Entry> {
  let cursor: string | undefined;
  do {
    const page = await store.page(query, cursor, signal);
    yield* page.entries;
    cursor = page.next;
  } while (cursor !== undefined);
}
