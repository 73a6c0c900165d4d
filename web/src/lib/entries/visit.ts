/** A visit to a list. Going back to it finds the same place: lists are kept as they were left, in memory, the last few. */

import type { VirtualizerHandle } from 'virtua/svelte';

import { explain } from '../api/explain';
import { notices } from '../ui/notices.svelte';
import { changeCount, changedSince } from './changes';
import type { EntryList } from './list.svelte';

/** The heights of the rows, as far as they are known. */
type Sizes = ReturnType<VirtualizerHandle['getCache']>;

export type Visit = {
  list: EntryList;
  /** As it was left; absent on the first visit. */
  left?: { sizes: Sizes | undefined; scroll: number };
  leave(sizes: Sizes | undefined, scroll: number): void;
};

type Kept = { list: EntryList; sizes: Sizes | undefined; scroll: number; changes: number };

const AT_MOST = 5;
const kept = new Map<string, Kept>();
/** Names of lists, by the step of the history that they led to. */
const ledTo = new Map<number, string>();
/** How often all of it was forgotten. */
let forgotten = 0;

/**
 * Begins a visit. It is another one than the last, unless the browser went back in its history to this very page, and
 * `name` says that it shows the same list.
 */
export function visit(name: string, make: () => EntryList): Visit {
  const here = step();
  const place = `${here} ${name}`;
  const before = kept.get(place);
  const list = before?.list ?? make();
  if (before) {
    list.resume();
    list.refresh(changedSince(before.changes)).catch((error: unknown) => notices.say(explain(error), { kind: 'error' }));
  }
  const since = forgotten;
  return {
    list,
    left: before,
    leave(sizes, scroll) {
      list.stop();
      if (since !== forgotten) return;
      // Not back in the history, but on. The router's steps are never used again, so that what is known of one stays true.
      const next = step();
      if (next > here && !ledTo.has(next)) ledTo.set(next, name);
      kept.delete(place);
      kept.set(place, { list, sizes, scroll, changes: changeCount() });
      if (kept.size > AT_MOST) kept.delete(kept.keys().next().value!);
    },
  };
}

/** Forgets what lists have shown, as when a secret tag is closed; also of those that are still on the screen. */
export function forgetVisits(): void {
  kept.clear();
  ledTo.clear();
  forgotten++;
}

/** The name of the list that is the page before this one in the browser's history, if it is one. */
export function listBefore(): string | undefined {
  return ledTo.get(step());
}

/** Which step of the browser's history this is; the router counts them. */
function step(): number {
  return (history.state as { _routerIndex?: number } | null)?._routerIndex ?? 0;
}
