/** Every page of the app, by its address. Pages are loaded when they are visited. */

import { createRouter } from 'sv-router';

import { markHistoryStep } from './lib/history-steps';
import { session } from './lib/session.svelte';

/** Pages for users who are not signed in. */
const PUBLIC = ['/login', '/signup', '/goodbye'];

export const { p, navigate, isActive, preload, route } = createRouter({
  '/': () => import('./pages/Journal.svelte'),
  '/login': () => import('./pages/Login.svelte'),
  '/signup': () => import('./pages/SignUp.svelte'),
  '/goodbye': () => import('./pages/Goodbye.svelte'),
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
  '/settings/appearance': () => import('./pages/SettingsAppearance.svelte'),
  '/settings/writing': () => import('./pages/SettingsWriting.svelte'),
  '/settings/security': () => import('./pages/SettingsSecurity.svelte'),
  '/settings/activity': () => import('./pages/SettingsActivity.svelte'),
  '/settings/tokens': () => import('./pages/SettingsTokens.svelte'),
  '/settings/data': () => import('./pages/SettingsData.svelte'),
  '/settings/about': () => import('./pages/SettingsAbout.svelte'),
  '/admin': () => import('./pages/Admin.svelte'),
  '/admin/database': () => import('./pages/AdminDatabase.svelte'),
  '/more': () => import('./pages/More.svelte'),
  '*': () => import('./pages/NotFound.svelte'),
  hooks: {
    /* eslint-disable @typescript-eslint/only-throw-error -- the router redirects when a hook throws a navigation */
    beforeLoad({ pathname, search }) {
      const isPublic = PUBLIC.includes(pathname);
      if (session.state === 'out' && !isPublic) {
        const next = pathname === '/' ? undefined : { next: pathname + query(search) };
        throw navigate('/login', { replace: true, search: next });
      }
      if (session.state !== 'out' && isPublic) {
        // A failed link to a sign-in provider returns here.
        const failed = pathname === '/login' && search?.error;
        if (failed) throw navigate('/settings/security', { replace: true, search: { error: String(search.error) } });
        throw navigate(localPath(search?.next) as '/', { replace: true });
      }
    },
    /* eslint-enable @typescript-eslint/only-throw-error */
    afterLoad({ replace }) {
      markHistoryStep(replace === true);
    },
  },
});

/** Opens the page that the user wanted before the sign-in; the journal if `next` is not an address of this app. */
export function afterSignIn(next: string | null): void {
  void navigate(localPath(next) as '/', { replace: true });
}

/** Returns `next` if it is an address of this app, otherwise the address of the journal. */
export function localPath(next: unknown): string {
  if (typeof next !== 'string' || !URL.canParse(next, location.origin)) return '/';
  const url = new URL(next, location.origin);
  return url.origin === location.origin ? url.pathname + url.search : '/';
}

function query(search: Record<string, unknown> | undefined): string {
  const text = new URLSearchParams(search as Record<string, string>).toString();
  return text && `?${text}`;
}
