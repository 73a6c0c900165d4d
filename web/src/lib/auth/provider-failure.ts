/** Messages for a failed sign-in with a provider: the codes of docs/sign-in.md. */

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
  'address_not_verified',
  'linked_elsewhere',
  'sign_in_first',
  'confirm_sign_in',
  'wrong_identity',
  'too_many_attempts',
  'server_error',
] as const;

/** Returns a sentence about the code in `?error=`; a general one for an unknown code. */
export function providerFailureMessage(code: string | null): string | undefined {
  if (!code) return undefined;
  const known = CODES.find((name) => name === code);
  return t(known ? `auth:failure.${known}` : 'auth:failure.unknown');
}
