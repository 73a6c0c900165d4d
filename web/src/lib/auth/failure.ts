/** Why a sign-in with a provider ended badly: the codes of docs/sign-in.md, in words. */

import { t } from '../i18n/index.svelte';

const CODES = [
  'unknown_provider',
  'provider_unavailable',
  'access_denied',
  'provider_error',
  'state_mismatch',
  'expired',
  'invalid_token',
  'email_missing',
  'email_not_verified',
  'registration_closed',
  'deactivated',
  'linked_elsewhere',
  'sign_in_first',
  'too_many_attempts',
  'server_error',
] as const;

/** A sentence about the code in `?error=`; one for a code that is not known, too. */
export function failureInWords(code: string | null): string | undefined {
  if (!code) return undefined;
  const known = CODES.find((name) => name === code);
  return t(known ? `auth:failure.${known}` : 'auth:failure.unknown');
}
