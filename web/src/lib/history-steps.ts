/**
 * Numbers the entries of the browser's history, as far as this tab has made them. A later entry has a higher number,
 * and no number is used twice, so that a page can tell a new visit from a return.
 */

const KEY = 'sottoStep';

let current = 0;
let newest = 0;

/** The number of the present history entry. */
export function historyStep(): number {
  return current;
}

/**
 * Numbers the present history entry, unless it has a number. The router calls this after every navigation, before the
 * new page is rendered; `replaced` is whether the entry has taken the place of the last one.
 */
export function markHistoryStep(replaced: boolean): void {
  const state: unknown = history.state;
  const known = typeof state === 'object' && state !== null ? (state as Record<string, unknown>)[KEY] : undefined;
  if (typeof known === 'number') {
    current = known;
    // After a reload, the numbers go on from here.
    newest = Math.max(newest, known);
    return;
  }
  current = replaced && current > 0 ? current : ++newest;
  history.replaceState({ ...(state as object | null), [KEY]: current }, '');
}
