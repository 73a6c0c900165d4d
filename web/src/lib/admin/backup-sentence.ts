/** What the page says about the last backup. */

import type { Schemas } from '../api';
import { shortDay, timeOfDay } from '../format';
import { t } from '../i18n/index.svelte';

type Alert = Pick<Schemas['AlertResponse'], 'sentence' | 'verdict'>;

const INSTANT = /\d{4}-\d{2}-\d{2}T[\d:.]+Z/;

/**
 * The server's sentence with its instant as the reader's date and time; null if it names none, as when there is no
 * backup.
 */
export function backupSentence({ sentence, verdict }: Alert, timeZone: string): string | null {
  const instant = INSTANT.exec(sentence)?.[0];
  if (!instant) return null;
  const when = { day: shortDay(instant, timeZone), time: timeOfDay(instant, timeZone) };
  return t(verdict === 'bad' ? 'admin:backupTooOld' : 'admin:backupMade', when);
}
