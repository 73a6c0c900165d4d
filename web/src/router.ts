/** Every page of the app. */

import { createRouter } from 'sv-router';

import { session } from './lib/session.svelte';

/** Pages for people who are not signed in. */
const PUBLIC = ['/login', '/signup'];

export const { p, navigate, isActive, route } = createRouter({
  '/': () => import('./pages/Journal.svelte'),
  '/login': () => import('./pages/Login.svelte'),
  '/signup': () => import('./pages/SignUp.svelte'),
  '/write': () => import('./pages/Write.svelte'),
  '/entries/:id': () => import('./pages/Entry.svelte'),
  '/entries/:id/edit': () => import('./pages/Write.svelte'),
  '/calendar': () => import('./pages/Calendar.svelte'),
  '/calendar/:year': () => import('./pages/Calendar.svelte'),
  '/search': () => import('./pages/Search.svelte'),
  '/on-this-day': () => import('./pages/OnThisDay.svelte'),
  '/tags': () => import('./pages/Tags.svelte'),
  '/tags/:id': () => import('./pages/Tag.svelte'),
  '/statistics': () => import('./pages/Statistics.svelte'),
  '/open': () => import('./pages/Open.svelte'),
  '/reminders': () => import('./pages/Reminders.svelte'),
  '/settings': () => import('./pages/Settings.svelte'),
  '/admin': () => import('./pages/Admin.svelte'),
  '/more': () => import('./pages/More.svelte'),
  '*': () => import('./pages/NotFound.svelte'),
  hooks: {
    beforeLoad({ pathname, search }) {
      const open = PUBLIC.includes(pathname);
      if (session.state === 'out' && !open) {
        const next = pathname === '/' ? undefined : { next: pathname + query(search) };
        throw navigate('/login', { replace: true, search: next });
      }
      if (session.state !== 'out' && open) throw navigate(local(search?.next), { replace: true });
    },
  },
});

/** Where to go after the sign-in: an address of this app, whatever the query says. */
export function afterSignIn(next: string | null): void {
  void navigate(local(next), { replace: true });
}

/** The address if it is one of this app, else the journal's. */
function local(next: unknown): '/' {
  const url = new URL(typeof next === 'string' ? next : '/', location.origin);
  return (url.origin === location.origin ? url.pathname + url.search : '/') as '/';
}

function query(search: Record<string, unknown> | undefined): string {
  const text = new URLSearchParams(search as Record<string, string>).toString();
  return text && `?${text}`;
}
