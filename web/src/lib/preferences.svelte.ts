/** What a person prefers on all their devices; the server keeps it as it is (`preferences` of the account). */

import { api, unwrap } from './api';
import { session } from './session.svelte';

export type Template = { id: string; name: string; content: string };

export type Preferences = {
  language?: 'en' | 'de';
  /** Texts to begin an entry from. */
  templates?: Template[];
  /** Whether an empty page offers a prompt of the day. */
  prompts?: boolean;
  /** 1 is Monday, 7 is Sunday; the language's own if absent. */
  weekStart?: 1 | 6 | 7;
};

export function preferences(): Preferences {
  return session.user.preferences;
}

/**
 * Changes what `change` answers, and keeps the rest: as it is on the server by now, since other devices change it as well.
 * One change at a time.
 */
export function prefer(change: Preferences | ((now: Preferences) => Preferences)): Promise<void> {
  const run = async () => {
    const { preferences: now } = await unwrap(api.GET('/api/users/me'));
    const changed = typeof change === 'function' ? change(now) : change;
    session.changed(await unwrap(api.PUT('/api/users/me', { body: { preferences: { ...now, ...changed } } })));
  };
  last = last.then(run, run);
  return last;
}

let last: Promise<void> = Promise.resolve();
