/** The rows of an entry list: headings for months, and entries, the first of each day with its date. */

import { dayIn } from '../format';
import type { Entry } from './entry';

/** `day` is the day of the entry, `2026-11-25`; `month` the first seven characters of it. */
export type Row =
  | { kind: 'month'; key: string; month: string }
  | { kind: 'entry'; key: string; entry: Entry; day: string; firstOfDay: boolean };

/** Appends entries to rows. */
export function withRows(rows: readonly Row[], entries: readonly Entry[]): Row[] {
  const all = [...rows];
  const last = all.at(-1);
  let before = last?.kind === 'entry' ? last.day : '';
  for (const entry of entries) {
    const day = dayIn(entry.date, entry.zone);
    const month = day.slice(0, -3);
    // Across the date line, the days of entries in order of time can go back a month. So the key contains the entry.
    if (month !== before.slice(0, -3)) all.push({ kind: 'month', key: `${month} ${entry.id}`, month });
    all.push({ kind: 'entry', key: entry.id, entry, day, firstOfDay: day !== before });
    before = day;
  }
  return all;
}
