/** Sums of statistics over days. */

import type { Schemas } from '../api';

/** A day with entries. */
export type Day = Schemas['DayResponse'];
export type Sum = { entries: number; words: number };

/** Sums the days for which `group` returns the same name. */
export function sums<Name>(days: readonly Day[], group: (day: string) => Name): Map<Name, Sum> {
  const all = new Map<Name, Sum>();
  for (const { date, entries, words } of days) {
    const name = group(date);
    const before = all.get(name) ?? { entries: 0, words: 0 };
    all.set(name, { entries: before.entries + entries, words: before.words + words });
  }
  return all;
}

export const monthOf = (day: string) => day.slice(0, 7);
export const yearOf = (day: string) => Number(day.slice(0, 4));
