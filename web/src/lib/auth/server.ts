/** What the server says of itself before anybody has signed in. */

import { api, unwrap, type Schemas } from '../api';
import { expectSignIn } from '../session.svelte';

export type ServerInfo = Schemas['ServerResponse'];

let known: Promise<ServerInfo> | null = null;

/** Asked once; asked again if that failed. */
export function serverInfo(): Promise<ServerInfo> {
  known ??= unwrap(api.GET('/api/server')).catch((error: unknown) => {
    known = null;
    throw error;
  });
  return known;
}

/** Leaves for a sign-in provider, which sends the person back to `next`, a path of this app. */
export function signInWith(provider: string, next: string): void {
  expectSignIn();
  location.assign(startAt(provider, { next }));
}

/** Leaves for a provider, to link what one has there to the account that is signed in. */
export function linkWith(provider: string, next: string): void {
  location.assign(startAt(provider, { next, link: 'true' }));
}

function startAt(provider: string, query: Record<string, string>): string {
  return `/api/auth/oidc/${encodeURIComponent(provider)}/start?${new URLSearchParams(query)}`;
}
