/** What the server publishes before the sign-in, and the start of a sign-in with a provider. */

import { api, unwrap, type Schemas } from '../api';
import { afterSignOut } from '../api/sign-out.svelte';
import { expectSignIn } from '../session.svelte';

export type ServerInfo = Schemas['ServerResponse'];

let loaded: Promise<ServerInfo> | null = null;

/** Requested once, and again after a failure or {@link forgetServerInfo}. */
export function serverInfo(): Promise<ServerInfo> {
  loaded ??= unwrap(api.GET('/api/server')).catch((error: unknown) => {
    loaded = null;
    throw error;
  });
  return loaded;
}

/** Whether a visitor can create an account. */
export function canSignUp(server: ServerInfo): boolean {
  return server.registration === 'open' || server.first_account;
}

/** Whether the visitor sets up the server: the first account is the administrator's, and closes sign-up. */
export function isFirstRun(server: ServerInfo): boolean {
  return server.registration === 'first' && server.first_account;
}

/** Another visitor has changed what the server publishes. */
export function forgetServerInfo(): void {
  loaded = null;
}

/**
 * Opens a sign-in provider, which sends the user back to `next`, a path of this app.
 *
 * @throws SottoError if a sign-out is due and cannot be sent. Later, it would end the new session.
 */
export async function signInWith(provider: string, next: string): Promise<void> {
  await afterSignOut();
  expectSignIn();
  location.assign(startAt(provider, { next }));
}

/** Opens a provider, to link an identity to the account of the signed-in user. */
export function linkWith(provider: string, next: string): void {
  location.assign(startAt(provider, { next, link: 'true' }));
}

/** Opens a provider, to confirm who the signed-in user is. They come back to the page that is open now. */
export function confirmWith(provider: string): void {
  location.assign(startAt(provider, { next: location.pathname, confirm: 'true' }));
}

function startAt(provider: string, query: Record<string, string>): string {
  return `/api/auth/oidc/${encodeURIComponent(provider)}/start?${new URLSearchParams(query)}`;
}
