import { dayIn } from './format';
import { session } from './session.svelte';

/** The day that it is where the person lives. A page that stays open over midnight knows the new one when it is come back to. */
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
