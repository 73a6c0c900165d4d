/** Notes which entries have changed, so that remembered lists can be brought up to date. */

const changed: string[] = [];

/** How many changes there have been. */
export function changeCount(): number {
  return changed.length;
}

/** The ids of the entries in all changes after the first `count`. */
export function changedSince(count: number): Set<string> {
  return new Set(changed.slice(count));
}

/** Notes a change. change-watcher.ts does that for every request of the API client. */
export function noteChange(id: string): void {
  changed.push(id);
}
