/** The entries before and after one. */

import { dayIn } from '../format';
import { addDays } from '../days';
import { newestFirst, type Entry, type EntryStore } from './entry';

export type Neighbours = { older: Entry | null; newer: Entry | null };

/** How far ahead a newer entry is looked for, in days, before all that comes is asked for. */
const AHEAD = [7, 90, 800];

/** Looks them up; the server lists newest first alone, so the newer one is the last of the days that follow. */
export async function neighbours(entry: Entry, store: EntryStore, signal?: AbortSignal): Promise<Neighbours> {
  const day = dayIn(entry.date, entry.zone);
  const [older, newer] = await Promise.all([findOlder(entry, day, store, signal), findNewer(entry, day, store, signal)]);
  return { older, newer };
}

async function findOlder(entry: Entry, day: string, store: EntryStore, signal?: AbortSignal): Promise<Entry | null> {
  // The day after as well: zones let an older instant be on a later day.
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

async function* each(store: EntryStore, query: { from?: string; to?: string }, signal?: AbortSignal): AsyncGenerator<Entry> {
  let cursor: string | undefined;
  do {
    const page = await store.page(query, cursor, signal);
    yield* page.entries;
    cursor = page.next;
  } while (cursor !== undefined);
}
