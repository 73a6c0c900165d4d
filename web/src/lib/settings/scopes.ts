/** The scopes of API tokens, with their names in the API, and the lifetimes on offer. */

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

/** The translation key of a scope; undefined for the scope of a newer server. */
export function scopeKey(scope: string): Key | undefined {
  const known = SCOPES.find((name) => name === scope);
  return known && (`settings:scope.${known.replace(':', '_')}` as Key);
}

/** In days; null means for ever. */
export const LIFETIMES = [30, 90, 365, null] as const;
