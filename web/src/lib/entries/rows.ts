/** Entries as a list shows them: under months, the first of each day with its date. */

import { dayIn } from '../format';
import type { Entry } from './entry';

/** `day` is the calendar day in the entry's own zone, `2026-11-25`; `month` its first seven letters. */
export type Row =
  | { kind: 'month'; key: string; month: string }
  | { kind: 'entry'; key: string; entry: Entry; day: string; firstOfDay: boolean };

/** The rows with these entries, which come next, below them. */
export function withRows(rows: readonly Row[], entries: readonly Entry[]): Row[] {
  const all = [...rows];
  const last = all.at(-1);
  let before = last?.kind === 'entry' ? last.day : '';
  for (const entry of entries) {
    const day = dayIn(entry.date, entry.zone);
    const month = day.slice(0, -3);
    // A month comes twice if somebody flew over the date line in its last night, so that the entry is part of the key.
    if (month !== before.slice(0, -3)) all.push({ kind: 'month', key: `${month} ${entry.id}`, month });
    all.push({ kind: 'entry', key: entry.id, entry, day, firstOfDay: day !== before });
    before = day;
  }
  return all;
}
