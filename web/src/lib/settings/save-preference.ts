/** Saves a preference, and shows a notice about the result. */

import { explain } from '../api/explain';
import { t } from '../i18n/index.svelte';
import { updatePreferences, type Preferences } from '../preferences.svelte';
import { notices } from '../ui/notices.svelte';

export async function savePreference(change: Preferences): Promise<void> {
  try {
    await updatePreferences(change);
    notices.show(t('common:saved'));
  } catch (error) {
    notices.show(explain(error), { kind: 'error' });
  }
}
