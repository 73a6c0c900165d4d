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

/** Changes what is named, and keeps the rest. */
export async function prefer(change: Preferences): Promise<void> {
  const body = { preferences: { ...preferences(), ...change } };
  session.changed(await unwrap(api.PUT('/api/users/me', { body })));
}
