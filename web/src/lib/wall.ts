/** An instant, as the clock on the wall of a time zone shows it, and back. */

export type Wall = { day: string; time: string };

/** The Gregorian calendar's beginning: what is older cannot be chosen. */
export const FIRST_DAY = '1600-01-01';

/** `2026-11-25` and `23:40`, as date and time inputs speak. */
export function wallOf(instant: string, zone: string): Wall {
  const parts = partsOf(Date.parse(instant), zone);
  return { day: `${parts.year}-${parts.month}-${parts.day}`, time: `${parts.hour}:${parts.minute}` };
}

/**
 * The instant at which the clock of the zone shows this, RFC 3339 in UTC; null if that is no date. An hour that a change of
 * clocks leaves out is taken as if the clock had not been changed yet, and of one that comes twice the first is meant
 * (RFC 5545, section 3.3.5): as the server has it.
 *
 * @throws RangeError if there is no such zone.
 */
export function instantOf({ day, time }: Wall, zone: string): string | null {
  const shown = Date.parse(`${day}T${time}:00Z`);
  // Date.parse takes February 31st for March 3rd.
  if (Number.isNaN(shown) || !new Date(shown).toISOString().startsWith(day)) return null;
  // The offset is that of the instant, which is not known yet: it is one of those a day before and a day after.
  const around = [-1, 1].map((days) => shown - offset(shown + days * 86_400_000, zone));
  const right = around.find((instant) => instant + offset(instant, zone) === shown) ?? around[0]!;
  return new Date(right).toISOString();
}

/** Every zone that this browser knows, with `present` among them in any case. */
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
      timeZone: zone,
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
