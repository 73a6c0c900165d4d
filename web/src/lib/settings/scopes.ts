/** What an API token may be good for, as the server names it. */

import type { Key } from '../i18n/index.svelte';

export const SCOPES = [
  'entries:read',
  'entries:write',
  'tags:read',
  'tags:write',
  'reminders:read',
  'reminders:write',
] as const;
export type Scope = (typeof SCOPES)[number];

/** The key of a scope in plain words; nothing for one that a newer server may know. */
export function scopeKey(scope: string): Key | undefined {
  const known = SCOPES.find((name) => name === scope);
  return known && (`settings:scope.${known.replace(':', '_')}` as Key);
}

/** For how many days a token is good; null is for ever. */
export const LIFETIMES = [30, 90, 365, null] as const;
