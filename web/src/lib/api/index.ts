/** The API client of the app: typed, with cookies, and with automatic renewal of the login. */

import { sotto } from '@sotto/client';

import { noteServerTime } from '../server-clock';
import { afterSignOut } from './sign-out.svelte';

export { items, nextCursor, SottoError, unwrap } from '@sotto/client';
export type { Schemas } from '@sotto/client';

type Listener = () => void;
let onEnded: Listener = () => {};
let renewing: Promise<boolean> | null = null;

/** Paths whose 401 responses do not mean that the login has expired. */
const WITHOUT_LOGIN = /^\/api\/auth\/(?!confirm$)/;

/**
 * A sign-out that is due goes before each request. After a 401 response, the login is renewed, once for all waiting
 * requests, and the request repeated.
 */
export const api = sotto({ baseUrl: location.origin, fetch: renewingFetch });
api.use({ onResponse: ({ response }) => noteServerTime(response) });

/** Sets the function that is called when the login can no longer be renewed. */
export function whenLoginEnds(listener: Listener): void {
  onEnded = listener;
}

/** Renews the login. Returns false if it has ended. @throws TypeError if the server is unreachable */
function renew(): Promise<boolean> {
  renewing ??= fetch('/api/auth/refresh', { method: 'POST' })
    .then((response) => {
      if (response.ok) return true;
      // An error of the server does not end the login.
      if (response.status >= 500 || response.status === 429) throw new TypeError('the server cannot renew the login');
      return false;
    })
    .finally(() => (renewing = null));
  return renewing;
}

async function renewingFetch(request: Request): Promise<Response> {
  await afterSignOut();
  const again = request.clone();
  const response = await fetch(request);
  if (response.status !== 401 || WITHOUT_LOGIN.test(new URL(request.url).pathname)) return response;
  if (await renew()) return fetch(again);
  onEnded();
  return response;
}
