/**
 * The drafts of the signed-in user: one instance per tab, with the keys that the session and unlocked secret tags
 * provide.
 */

import { session } from '../session.svelte';
import { accountKey } from './account-key';
import { Drafts, type Environment } from './drafts';
import { otherTabs } from './other-tabs';
import { secretTagRegistry } from './secret-tag-registry.svelte';

export const draftEnvironment: Environment = {
  user: () => session.user.id,
  accountKey: () => accountKey(session.user.id),
  secretKey: (tag) => secretTagRegistry.draftKey(tag),
  unlockedTagIds: () => secretTagRegistry.unlocked.map(({ id }) => id),
  now: () => Date.now(),
  announce: otherTabs.announceDraft,
};

export const drafts = new Drafts(draftEnvironment);
