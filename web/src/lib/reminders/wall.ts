/** Wall-clock times: what a clock shows in a zone, and the instant that this is. */

/** A date and a time of day without a zone: `2026-11-25` and `21:00`. */
export type Wall = { date: string; time: string };

/** What the clock on the wall shows in a zone at an instant. */
export function wallAt(instant: string | number, zone: string): Wall {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(new Date(instant));
  const of = (type: Intl.DateTimeFormatPartTypes) => parts.find((part) => part.type === type)!.value;
  return { date: `${of('year').padStart(4, '0')}-${of('month')}-${of('day')}`, time: `${of('hour')}:${of('minute')}` };
}

/**
 * The instant at which the clock shows this, RFC 3339 in UTC. A time that the change to summer time skips is as much
 * later as was skipped; of a time that comes twice, it is the first (RFC 5545, section 3.3.5): as the server has it.
 */
export function instantOf({ date, time }: Wall, zone: string): string {
  const naive = Date.parse(`${date}T${time}:00Z`);
  const offset = (at: number) => {
    const shown = wallAt(at, zone);
    return Date.parse(`${shown.date}T${shown.time}:00Z`) - Math.floor(at / 60_000) * 60_000;
  };
  const day = 86_400_000;
  // The offsets before and after a change that may be near.
  const [before, after] = [offset(naive - day), offset(naive + day)];
  const fits = [naive - before, naive - after].filter((at) => offset(at) === naive - at);
  return new Date(fits.length > 0 ? Math.min(...fits) : naive - before).toISOString();
}
