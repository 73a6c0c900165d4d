/** The weekdays of custom reminders, with their names in the API. */

import type { Weekday } from '../days';
import { weekdayName } from '../format';

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof DAYS)[number];

export function dayOf(weekday: Weekday): Day {
  return DAYS[weekday - 1]!;
}

/** `Monday`, or `Mon`. */
export function dayName(day: Day, length: 'long' | 'short' = 'long'): string {
  return weekdayName(DAYS.indexOf(day) + 1, length);
}

/** Parses `mon,wed`. Returns the days in the order of the week. */
export function readDays(text: string | null | undefined): Day[] {
  const named = (text ?? '').split(',');
  return DAYS.filter((day) => named.includes(day));
}
