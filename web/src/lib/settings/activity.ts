/** What happened to the account, as the server has noted it. */

import { api, nextCursor, unwrap } from '../api';
import { t } from '../i18n/index.svelte';

const PAGE = 50;

const KINDS = [
  'signed_in',
  'signed_in_with_provider',
  'signed_out',
  'session_ended',
  'refresh_token_reused',
  'sign_in_confirmed',
  'password_set',
  'password_changed',
  'email_changed',
  'api_token_created',
  'api_token_deleted',
  'identity_linked',
  'identity_unlinked',
  'exported',
  'secret_tag_recovered',
  'passphrase_changed',
  'account_deactivated',
  'account_activated',
  'superuser_granted',
  'superuser_revoked',
  'password_reset_by_operator',
  'email_verified',
] as const;

export type AccountEvent = Awaited<ReturnType<typeof loadActivity>>['events'][number];

/** Loads the page at a cursor, or the latest events without one. `next` is the cursor of older events. */
export async function loadActivity(cursor?: string) {
  const call = api.GET('/api/users/me/activity', { params: { query: { limit: PAGE, cursor } } });
  const events = await unwrap(call);
  return { events, next: nextCursor((await call).response) };
}

/** A sentence about an event; a general one for the kinds of a newer server. */
export function whatHappened(kind: string): string {
  const known = KINDS.find((name) => name === kind);
  return t(known ? `settings:event.${known}` : 'settings:event.unknown');
}
