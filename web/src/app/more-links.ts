/** Links below the main ones in the navigation of a wide screen, and on the page "More" of a narrow one. */

import ChartNoAxesColumn from '@lucide/svelte/icons/chart-no-axes-column';
import Bell from '@lucide/svelte/icons/bell';
import History from '@lucide/svelte/icons/history';
import KeyRound from '@lucide/svelte/icons/key-round';
import Settings from '@lucide/svelte/icons/settings';
import ShieldCheck from '@lucide/svelte/icons/shield-check';
import Tags from '@lucide/svelte/icons/tags';

import { session } from '../lib/session.svelte';

export function moreLinks() {
  const all = [
    { path: '/on-this-day', name: 'common:onThisDay', icon: History },
    { path: '/tags', name: 'common:tags', icon: Tags },
    { path: '/statistics', name: 'common:statistics', icon: ChartNoAxesColumn },
    { path: '/open', name: 'common:unlock', icon: KeyRound },
    { path: '/reminders', name: 'common:reminders', icon: Bell },
    { path: '/settings', name: 'common:settings', icon: Settings },
    { path: '/admin', name: 'common:admin', icon: ShieldCheck },
  ] as const;
  return all.filter(({ path }) => path !== '/admin' || session.user.is_superuser);
}
