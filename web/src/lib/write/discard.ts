/** Discards drafts together with their pending recordings, and re-creates those whose entry was deleted. */

import { v7 as uuid } from 'uuid';

import type { EntryText } from '../drafts/entry-text';
import { outbox } from '../drafts/outbox.svelte';
import { drafts } from '../drafts/user-drafts';
import { discardPendingRecording, transferPendingRecording } from '../recording/pending-recordings';
import { recordingStore } from '../recording/user-recordings';
import { session } from '../session.svelte';
import { zoneForNewEntry } from '../zone';

/** Discards a draft that the server does not have, and its recording. Returns false if the server has it. */
export async function discardDraft(id: string): Promise<boolean> {
  const discarded = await outbox.discard(id);
  if (discarded) await discardPendingRecording(id);
  return discarded;
}

/** Discards everything that this device holds under a secret tag that was deleted, while its key is still available. */
export async function discardUnderTag(secretTagId: string): Promise<void> {
  const under = (one: { secretTagId: string | null }) => one.secretTagId === secretTagId;
  const [texts, recordings, copies] = await Promise.all([
    drafts.list(),
    recordingStore.list(),
    drafts.conflictCopies(),
  ]);
  for (const { id } of texts.filter(under)) await drafts.discard(id);
  for (const { id } of [...texts, ...recordings].filter(under)) await discardPendingRecording(id);
  for (const { key } of copies.filter(under)) await drafts.discardConflictCopy(key);
}

/**
 * Re-creates a draft whose entry was deleted, with its recording, under a new id, and returns that id. The former id
 * may be that of an entry under a locked secret tag.
 */
export async function recreateDraft(from: string, written: EntryText, secretTagId: string | null): Promise<string> {
  const id = uuid();
  const zone = zoneForNewEntry(written.zone, session.user.time_zone);
  await drafts.save(id, { ...written, zone }, secretTagId);
  await transferPendingRecording(from, id);
  await drafts.discard(from);
  outbox.clearDelivery(from);
  return id;
}
