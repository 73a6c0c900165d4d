/** The clock of the server, taken from its responses, because the clock of the device can be wrong or change. */

let known: { server: number; page: number; device: number } | null = null;

/** Takes the time from the `Date` header of a response (RFC 9110, section 6.6.1), to the second. */
export function noteServerTime({ headers }: Response): void {
  const server = Date.parse(headers.get('date') ?? '');
  if (!Number.isNaN(server)) known = { server, page: performance.now(), device: Date.now() };
}

/** Milliseconds since 1970 by the clock of the server; by that of the device before the first response. */
export function serverNow(): number {
  if (!known) return Date.now();
  // `performance.now()` is never adjusted, but in some browsers it stops while the device sleeps. `Date.now()` does
  // not stop.
  return known.server + Math.max(performance.now() - known.page, Date.now() - known.device);
}
