/**
 * What drafts and recordings need of the secret tags that are unlocked on this page: names, draft keys and entries.
 * `secret/` provides all of it (app/lifecycle.ts connects the two), so that this folder does not depend on that one.
 */

import type { EntryStore } from '../entries/entry';
import { plainEntries } from '../entries/plain-entries';

export interface UnlockedTagSource {
  unlocked(): readonly { id: string; name: string }[];
  /** AES-GCM, `encrypt` and `decrypt`; null while the tag is locked. */
  draftKey(secretTagId: string): Promise<CryptoKey> | null;
  /** null while the tag is locked. */
  entries(secretTagId: string): Promise<EntryStore> | null;
}

let source = $state.raw<UnlockedTagSource>({ unlocked: () => [], draftKey: () => null, entries: () => null });

export const secretTagRegistry = {
  get unlocked(): readonly { id: string; name: string }[] {
    return source.unlocked();
  },

  isUnlocked(secretTagId: string): boolean {
    return source.unlocked().some(({ id }) => id === secretTagId);
  },

  draftKey(secretTagId: string): Promise<CryptoKey> | null {
    return source.draftKey(secretTagId);
  },

  /** The entries under a secret tag, or the plain ones if there is no tag. null while the tag is locked. */
  async entries(secretTagId: string | null): Promise<EntryStore | null> {
    return secretTagId === null ? plainEntries : source.entries(secretTagId);
  },

  connect(provider: UnlockedTagSource): void {
    source = provider;
  },
};
