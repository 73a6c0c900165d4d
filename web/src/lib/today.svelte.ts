/** The present day, for pages that stay open over midnight. */

import { dayIn } from './format';
import { session } from './session.svelte';

/**
 * The day in the user's time zone, updated whenever the page becomes visible. Has to be called while a component is
 * created.
 */
export function today(): { readonly day: string } {
  const now = () => dayIn(new Date().toISOString(), session.user.time_zone);
  let day = $state(now());
  $effect(() => {
    const look = () => (day = now());
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  });
  return {
    get day() {
      return day;
    },
  };
}
