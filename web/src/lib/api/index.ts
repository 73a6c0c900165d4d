/** The server, as the app talks to it: one typed client, with cookies, that renews its login by itself. */

import { sotto } from '@sotto/client';

export { items, nextCursor, SottoError, unwrap } from '@sotto/client';
export type { Schemas } from '@sotto/client';

type Listener = () => void;
let onEnded: Listener = () => {};
let renewing: Promise<boolean> | null = null;

/** Calls with cookies. After a 401 the login is renewed, once for all that wait, and the call made again. */
export const api = sotto({ baseUrl: location.origin, fetch: renewingFetch });

/** Says who is to be told when the login has ended for good. */
export function whenLoginEnds(listener: Listener): void {
  onEnded = listener;
}

/** Renews the login; false if it has ended. Throws a TypeError if the server cannot be reached. */
export function renew(): Promise<boolean> {
  renewing ??= fetch('/api/auth/refresh', { method: 'POST' })
    .then((response) => {
      if (response.ok) return true;
      // A server in trouble has not ended anything.
      if (response.status >= 500 || response.status === 429) throw new TypeError('the server cannot renew the login');
      return false;
    })
    .finally(() => (renewing = null));
  return renewing;
}

async function renewingFetch(request: Request): Promise<Response> {
  const again = request.clone();
  const response = await fetch(request);
  if (response.status !== 401 || new URL(request.url).pathname.startsWith('/api/auth/')) return response;
  if (await renew()) return fetch(again);
  onEnded();
  return response;
}
