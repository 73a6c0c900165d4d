/** The clock of the server, taken from its responses, because the clock of the device can be wrong or change. */

/** The three clocks at the last response, in milliseconds. */
let lastResponse: { server: number; page: number; device: number } | null = null;

/** Reads the server's time from the `Date` header of a response (RFC 9110, section 6.6.1), which has full seconds. */
export function noteServerTime({ headers }: Response): void {
  const server = Date.parse(headers.get('date') ?? '');
  if (!Number.isNaN(server)) lastResponse = { server, page: performance.now(), device: Date.now() };
}

/** Milliseconds since 1970 by the clock of the server, or before the first response by the clock of the device. */
export function serverNow(): number {
  if (!lastResponse) return Date.now();
  // `performance.now()` is never adjusted, but in some browsers it stops while the device sleeps. `Date.now()` does
  // not stop.
  return lastResponse.server + Math.max(performance.now() - lastResponse.page, Date.now() - lastResponse.device);
}
