/** Dates and numbers in the person's language. An entry's date is shown in the zone that it was written in. */

import { region } from './i18n/index.svelte';

const cache = new Map<string, Intl.DateTimeFormat>();

function formatter(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = region() + JSON.stringify(options);
  let found = cache.get(key);
  if (!found) cache.set(key, (found = new Intl.DateTimeFormat(region(), options)));
  return found;
}

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
  new Intl.DateTimeFormat('en-CA', { dateStyle: 'short', timeZone }).format(new Date(instant));

export const count = (value: number) => new Intl.NumberFormat(region()).format(value);
