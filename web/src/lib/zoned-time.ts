/**
 * Converts between instants and zoned times. A zone that this browser does not know is treated as UTC.
 *
 * `Temporal` can replace this once all browsers have it, as Chromium does. temporal-polyfill 1.0 needs 18.8 kB by gzip
 * for the same, or 7.2 kB with its own API of functions; this module needs 0.7 kB.
 */

import { supportedZone } from './zone';

export type LocalDateTime = { day: string; time: string };

/** The first day that can be chosen, after the start of the Gregorian calendar. */
export const FIRST_DAY = '1600-01-01';

/** Converts an instant to `2026-11-25` and `23:40`, the format of date and time inputs. */
export function localDateTime(instant: string, zone: string): LocalDateTime {
  const parts = partsOf(Date.parse(instant), zone);
  return { day: `${parts.year}-${parts.month}-${parts.day}`, time: `${parts.hour}:${parts.minute}` };
}

/**
 * Converts a zoned time to an instant, RFC 3339 in UTC; null if the date is invalid. A time in the hour that a change
 * of the clocks skips is read with the offset before the change, and of an hour that occurs twice, the first is meant
 * (RFC 5545, section 3.3.5), as on the server.
 */
export function instantOf({ day, time }: LocalDateTime, zone: string): string | null {
  const shown = Date.parse(`${day}T${time}:00Z`);
  // Date.parse reads February 31st as March 3rd.
  if (Number.isNaN(shown) || !new Date(shown).toISOString().startsWith(day)) return null;
  // The offset depends on the instant, which is unknown: it is the offset of either the day before or the day after.
  const around = [-1, 1].map((days) => shown - offset(shown + days * 86_400_000, zone));
  const right = around.find((instant) => instant + offset(instant, zone) === shown) ?? around[0]!;
  return new Date(right).toISOString();
}

/** All zones that this browser lists, and `present`, sorted. */
export function zones(present: string): string[] {
  const known = Intl.supportedValuesOf('timeZone');
  return [...new Set([...known, 'UTC', present])].sort();
}

function offset(instant: number, zone: string): number {
  const { year, month, day, hour, minute, second } = partsOf(instant, zone);
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) - Math.floor(instant / 1000) * 1000;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function partsOf(instant: number, zone: string): Record<Intl.DateTimeFormatPartTypes, string> {
  let format = formats.get(zone);
  if (!format) {
    const two = '2-digit';
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: supportedZone(zone),
      calendar: 'iso8601',
      hourCycle: 'h23',
      year: 'numeric',
      month: two,
      day: two,
      hour: two,
      minute: two,
      second: two,
    });
    formats.set(zone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, value]));
  return parts as Record<Intl.DateTimeFormatPartTypes, string>;
}
