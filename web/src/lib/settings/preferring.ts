/** Changes of preferences that are made by one touch: they say by themselves how it went. */

import { explain } from '../api/explain';
import { t } from '../i18n/index.svelte';
import { prefer, type Preferences } from '../preferences.svelte';
import { notices } from '../ui/notices.svelte';

export async function preferAndSay(change: Preferences): Promise<void> {
  try {
    await prefer(change);
    notices.say(t('common:saved'));
  } catch (error) {
    notices.say(explain(error), { kind: 'error' });
  }
}
