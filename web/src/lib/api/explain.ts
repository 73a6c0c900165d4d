import { t } from '../i18n/index.svelte';
import { SottoError } from '.';

/** A sentence about what went wrong, for a person. The server's own sentences are passed on, and so is one that is given. */
export function explain(error: unknown): string {
  if (typeof error === 'string') return error;
  if (!(error instanceof SottoError)) return t('common:errorTitle');
  if (error.status === 0) return t('common:unreachable');
  if (error.status === 429) return t('common:tooMany');
  if (error.status >= 500 && error.status !== 507) return t('common:serverError');
  return error.errors.length > 0 ? error.errors.map(({ msg }) => msg).join(' ') : error.message;
}

/** What the server said of one field of a form. */
export function fieldError(error: unknown, field: string): string | undefined {
  if (!(error instanceof SottoError)) return undefined;
  return error.errors.find(({ loc }) => loc.at(-1) === field)?.msg;
}
