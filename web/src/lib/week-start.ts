/** The first day of the week. */

import { weekStartOf, type Weekday } from './days';
import { region } from './i18n/index.svelte';
import { preferences } from './preferences.svelte';

/** The first day of the week: the preference of the user, else as usual for the language and region. */
export function weekStart(): Weekday {
  return preferences().weekStart ?? weekStartOf(region());
}
