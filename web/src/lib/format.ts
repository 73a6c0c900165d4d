/** Dates and numbers in the person's language. An entry's date is shown in the zone that it was written in. */

import { region, t, type Key } from './i18n/index.svelte';

const cache = new Map<string, Intl.DateTimeFormat>();

function formatter(options: Intl.DateTimeFormatOptions, language: string = region()): Intl.DateTimeFormat {
  const key = language + JSON.stringify(options);
  let found = cache.get(key);
  if (!found) cache.set(key, (found = new Intl.DateTimeFormat(language, options)));
  return found;
}

/** `25 November`, of a day without a zone. */
export const dayWithoutYear = (day: string) =>
  formatter({ day: 'numeric', month: 'long', timeZone: 'UTC' }).format(new Date(`${day}T12:00:00Z`));

/** `Wednesday, 25 November 2026` */
export const longDay = (instant: string, timeZone: string) =>
  formatter({ dateStyle: 'full', timeZone }).format(new Date(instant));

/** `25 Nov 2026` */
export const shortDay = (instant: string, timeZone: string) =>
  formatter({ dateStyle: 'medium', timeZone }).format(new Date(instant));

/** `03:40` or `3:40 AM` */
export const timeOfDay = (instant: string, timeZone: string) =>
  formatter({ timeStyle: 'short', timeZone }).format(new Date(instant));

/** `November 2026` */
export const monthAndYear = (instant: string, timeZone: string) =>
  formatter({ month: 'long', year: 'numeric', timeZone }).format(new Date(instant));

/** The calendar day of an instant in a zone, as `2026-11-25`. */
export const dayIn = (instant: string, timeZone: string) =>
  formatter({ dateStyle: 'short', timeZone }, 'en-CA').format(new Date(instant));

/** `25` */
export const dayOfMonth = (instant: string, timeZone: string) =>
  formatter({ day: 'numeric', timeZone }).format(new Date(instant)).replace(/\D+$/, '');

/** `Wed` */
export const shortWeekday = (instant: string, timeZone: string) =>
  formatter({ weekday: 'short', timeZone }).format(new Date(instant));

/** `November` */
export const monthName = (month: string, length: 'long' | 'short' | 'narrow' = 'long') =>
  formatter({ month: length, timeZone: 'UTC' }).format(new Date(`${month}-15T12:00:00Z`));

/** `Monday`, of 1 to 7. */
export const weekdayName = (weekday: number, length: 'long' | 'short' | 'narrow' = 'long') =>
  formatter({ weekday: length, timeZone: 'UTC' }).format(new Date(Date.UTC(2024, 0, weekday)));

/** `Wednesday, 25 November 2026`, of a day without a zone. */
export const dayInWords = (day: string) => longDay(`${day}T12:00:00Z`, 'UTC');

export const count = (value: number) => new Intl.NumberFormat(region()).format(value);

/** `1,204 words`, by a key that has forms for one and for many, and says the number as `n`. */
export const counted = (key: Key, value: number) => t(key, { count: value, n: count(value) });

/** `1.2K`, where there is little room. */
export const compact = (value: number) =>
  new Intl.NumberFormat(region(), { notation: 'compact', maximumSignificantDigits: 2 }).format(value);

/** `One, Two and Three`, of what people wrote: whatever direction that has, the sentence around it keeps its own. */
export const listed = (names: string[]) =>
  new Intl.ListFormat(region()).format(names.map((name) => `\u2068${name}\u2069`));

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** `12 kB`, `3.4 GB`: powers of a thousand, two digits at least. */
export function bytes(value: number): string {
  const power = value < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(value) / 3));
  const amount = value / 1000 ** power;
  return new Intl.NumberFormat(region(), {
    style: 'unit',
    unit: UNITS[power],
    maximumFractionDigits: power > 0 && amount < 10 ? 1 : 0,
  }).format(amount);
}
