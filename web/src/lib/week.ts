import { weekStartOf, type Weekday } from './days';
import { region } from './i18n/index.svelte';
import { preferences } from './preferences.svelte';

/** The day that weeks begin with: as the person prefers it, else as their language and country have it. */
export function weekStart(): Weekday {
  return preferences().weekStart ?? weekStartOf(region());
}
