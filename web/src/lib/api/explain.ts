/** Turns errors into sentences for the user. */

import { t } from '../i18n/index.svelte';
import { SottoError, type Schemas } from '.';

/** Problems that belong to one field: a form with this field shows them there. */
const BESIDE: { [Code in Schemas['ProblemCode']]?: string } = {
  email_taken: 'email',
  tag_name_taken: 'name',
  wrong_login: 'password',
};

/** Returns a sentence about an error. A string is returned as it is. */
export function explain(error: unknown): string {
  if (typeof error === 'string') return error;
  if (!(error instanceof SottoError)) return t('common:errorTitle');
  if (error.status === 0) return t('common:unreachable');
  if (error.errors.length > 0) return error.errors.map(ofField).join(' ');
  const byStatus = ofStatus(error);
  return error.code ? t(`errors:problem.${error.code}`, { defaultValue: byStatus }) : byStatus;
}

/** Returns the server's error about one field of a form, as a sentence. */
export function fieldError(error: unknown, field: string): string | undefined {
  if (!(error instanceof SottoError)) return undefined;
  if (error.code && BESIDE[error.code] === field) return explain(error);
  const found = error.errors.find(({ loc }) => loc.at(-1) === field);
  return found && ofField(found);
}

/** For the codes of a newer server, this uses the server's own sentence. */
function ofField({ code, params, msg }: Schemas['FieldError']): string {
  return t(`errors:field.${code}`, { ...params, defaultValue: msg });
}

function ofStatus({ status, message }: SottoError): string {
  if (status === 429) return t('errors:problem.too_many_attempts');
  return status >= 500 ? t('common:serverError') : message;
}
