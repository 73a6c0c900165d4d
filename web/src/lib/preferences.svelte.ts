/** The preferences of the user on all devices, which the server stores with the account. */

import { api, unwrap } from './api';
import { session } from './session.svelte';

export type Template = { id: string; name: string; content: string };

export type Preferences = {
  language?: 'en' | 'de';
  /** Texts that a new entry can start with. */
  templates?: Template[];
  /** Whether a new entry shows the prompt of the day; absent: only on request. */
  prompts?: boolean;
  /** 1 is Monday, 7 is Sunday; absent: as usual for the language. */
  weekStart?: 1 | 6 | 7;
};

export function preferences(): Preferences {
  return session.user.preferences;
}

/**
 * Changes some preferences, and keeps the others as they are on the server, since other devices change them as well.
 * Runs one change at a time.
 */
export function updatePreferences(change: Preferences | ((now: Preferences) => Preferences)): Promise<void> {
  const run = async () => {
    const { preferences: now } = await unwrap(api.GET('/api/users/me'));
    const changed = typeof change === 'function' ? change(now) : change;
    session.update(await unwrap(api.PUT('/api/users/me', { body: { preferences: { ...now, ...changed } } })));
  };
  last = last.then(run, run);
  return last;
}

let last: Promise<void> = Promise.resolve();
