/**
 * Remembers the last lists of entries by their step in the browser's history, in memory: going back to a list shows
 * the same entries at the same place.
 */

import type { VirtualizerHandle } from 'virtua/svelte';

import { explain } from '../api/explain';
import { historyStep } from '../history-steps';
import { notices } from '../ui/notices.svelte';
import { changeCount, changedSince } from './entry-changes';
import type { EntryList } from './entry-list.svelte';

/** The known heights of the rows. */
type Sizes = ReturnType<VirtualizerHandle['getCache']>;

export type ListVisit = {
  list: EntryList;
  /** How the list was left; absent on the first visit. */
  left?: { sizes: Sizes | undefined; scroll: number };
  leave(sizes: Sizes | undefined, scroll: number): void;
};

type RememberedList = { list: EntryList; sizes: Sizes | undefined; scroll: number; changes: number };

const AT_MOST = 5;
const remembered = new Map<string, RememberedList>();
/** The names of lists, by the step of the history that the user has opened from them. */
const openedFrom = new Map<number, string>();
/** How often all lists were forgotten. */
let forgotten = 0;

/**
 * Returns the list of this name and step in the history, as it was left and brought up to date, or else the list that
 * `make` creates.
 */
export function visitList(name: string, make: () => EntryList): ListVisit {
  const here = historyStep();
  const key = `${here} ${name}`;
  const before = remembered.get(key);
  const list = before?.list ?? make();
  if (before) {
    list.resume();
    list
      .refresh(changedSince(before.changes))
      .catch((error: unknown) => notices.show(explain(error), { kind: 'error' }));
  }
  const since = forgotten;
  return {
    list,
    left: before,
    leave(sizes, scroll) {
      list.stop();
      if (since !== forgotten) return;
      // A higher step means forward in the history. Steps are never used twice, so what is known of one stays true.
      const next = historyStep();
      if (next > here && !openedFrom.has(next)) openedFrom.set(next, name);
      remembered.delete(key);
      remembered.set(key, { list, sizes, scroll, changes: changeCount() });
      if (remembered.size > AT_MOST) remembered.delete(remembered.keys().next().value!);
    },
  };
}

/** Forgets all lists, for example when a secret tag is locked; also those that are still on the screen. */
export function forgetLists(): void {
  remembered.clear();
  openedFrom.clear();
  forgotten++;
}

/** The name of the list that this page was opened from, if it was. */
export function previousList(): string | undefined {
  return openedFrom.get(historyStep());
}
