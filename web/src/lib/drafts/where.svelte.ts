/**
 * Where drafts belong: in the open, or under a secret tag. Whoever opens secret tags hands over what is needed; until
 * then, and while a tag is locked, its drafts cannot be read and are not shown.
 */

import type { EntryStore } from '../entries/entry';
import { plainEntries } from '../entries/plain';

export interface SecretTags {
  /** Those that are open now. */
  open(): readonly { id: string; name: string }[];
  /** AES-GCM, `encrypt` and `decrypt`; null while the tag is locked. */
  draftKey(secretTagId: string): Promise<CryptoKey> | null;
  /** null while the tag is locked. */
  entries(secretTagId: string): Promise<EntryStore> | null;
}

let secret = $state.raw<SecretTags>({ open: () => [], draftKey: () => null, entries: () => null });
const closing = new Set<(secretTagId: string) => Promise<void> | void>();

export const where = {
  get open(): readonly { id: string; name: string }[] {
    return secret.open();
  },

  async entries(secretTagId: string | null): Promise<EntryStore | null> {
    return secretTagId === null ? plainEntries : secret.entries(secretTagId);
  },

  draftKey(secretTagId: string): Promise<CryptoKey> | null {
    return secret.draftKey(secretTagId);
  },

  /** Called by the owner of the secret tags, once. */
  secretTagsAre(owner: SecretTags): void {
    secret = owner;
  },

  /**
   * Called by the owner when it closes a tag. What is being written under it leaves the screen before this returns; when
   * the answer resolves it is kept, and the last key is forgotten.
   */
  async close(secretTagId: string): Promise<void> {
    await Promise.all([...closing].map((step) => step(secretTagId)));
  },

  /** Adds a step of {@link close}; the answer takes it away again. */
  beforeClose(step: (secretTagId: string) => Promise<void> | void): () => void {
    closing.add(step);
    return () => void closing.delete(step);
  },
};
