/**
 * Formats dates and numbers in the user's language. An entry date is shown in its own time zone, or in UTC if this
 * browser does not know that zone.
 */

import { region, t, type Key } from './i18n/index.svelte';
import { supportedZone } from './zone';

const cache = new Map<string, Intl.DateTimeFormat>();

function formatter(options: Intl.DateTimeFormatOptions, language: string = region()): Intl.DateTimeFormat {
  const key = language + JSON.stringify(options);
  let found = cache.get(key);
  if (!found) {
    const timeZone = options.timeZone === undefined ? undefined : supportedZone(options.timeZone);
    cache.set(key, (found = new Intl.DateTimeFormat(language, { ...options, timeZone })));
  }
  return found;
}

/** `25 November`, for a calendar day. */
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

/** The calendar day of an instant in a time zone, `2026-11-25`. */
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

/** `Monday`, for 1 to 7. */
export const weekdayName = (weekday: number, length: 'long' | 'short' | 'narrow' = 'long') =>
  formatter({ weekday: length, timeZone: 'UTC' }).format(new Date(Date.UTC(2024, 0, weekday)));

/** `Wednesday, 25 November 2026`, for a calendar day. */
export const dayInWords = (day: string) => longDay(`${day}T12:00:00Z`, 'UTC');

export const count = (value: number) => new Intl.NumberFormat(region()).format(value);

/** `1,204 words`, for a key with plural forms that contain the number as `n`. */
export const counted = (key: Key, value: number) => t(key, { count: value, n: count(value) });

/** `1.2K`, for small spaces. */
export const compact = (value: number) =>
  new Intl.NumberFormat(region(), { notation: 'compact', maximumSignificantDigits: 2 }).format(value);

/**
 * `One, Two and Three`, for names that users have written: isolated, so that their direction does not affect the
 * sentence.
 */
export const listed = (names: string[]) =>
  new Intl.ListFormat(region()).format(names.map((name) => `\u2068${name}\u2069`));

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** `12 kB`, `3.4 GB`: powers of 1000, at least two digits. */
export function bytes(value: number): string {
  const power = value < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(value) / 3));
  const amount = value / 1000 ** power;
  return new Intl.NumberFormat(region(), {
    style: 'unit',
    unit: UNITS[power],
    maximumFractionDigits: power > 0 && amount < 10 ? 1 : 0,
  }).format(amount);
}
