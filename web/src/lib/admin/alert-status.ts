/** The status of an alert, as the page shows it. */

import type { Schemas } from '../api';

type Alert = Pick<Schemas['AlertResponse'], 'raised' | 'verdict'>;

export type AlertStatus = 'raised' | 'recovering' | 'fine' | 'near' | 'bad' | 'unknown';

/**
 * Derives the status from the alert and the verdict of the last check. Several bad checks in a row raise an alert, so
 * an alert that is not raised can have a bad verdict. `present` is false if the last request to the server has failed.
 */
export function alertStatus({ raised, verdict }: Alert, present: boolean): AlertStatus {
  if (raised) return present && verdict === 'good' ? 'recovering' : 'raised';
  if (!present) return 'unknown';
  return ({ good: 'fine', between: 'near', bad: 'bad', unknown: 'unknown' } as const)[verdict] ?? 'unknown';
}
