/** The pending recordings of this tab, one per entry. */

import { session } from '../session.svelte';
import { PendingRecording } from './pending-recording.svelte';
import type { EntryRef } from './saved-recording';
import { recordingStore } from './user-recordings';

const pendingRecordings = new Map<string, PendingRecording>();

/** Returns the pending recording of this entry; a new, empty one if there is none. */
export function pendingRecordingOf(entry: EntryRef): PendingRecording {
  let pending = pendingRecordings.get(entry.id);
  if (!pending) pendingRecordings.set(entry.id, (pending = new PendingRecording(entry)));
  else if (pending.secretTagId !== entry.secretTagId) void pending.moveTo(entry.secretTagId);
  else void pending.findAgain();
  return pending;
}

/** Whether there is an unsaved recording of this entry, in this tab or on this device. */
export async function hasPendingRecording(id: string): Promise<boolean> {
  if (await recordingStore.has(id)) return true;
  const pending = pendingRecordings.get(id);
  return pending !== undefined && (pending.busy || pending.asking);
}

/**
 * The secret tag of the pending recording, and when it was started, in ms since 1970. null if none can be decrypted
 * now.
 */
export async function findPendingRecording(id: string): Promise<{ secretTagId: string | null; at: number } | null> {
  const pending = pendingRecordings.get(id);
  if (pending?.busy) return { secretTagId: pending.secretTagId, at: pending.foundFrom ?? Date.now() };
  const found = await recordingStore.read(id);
  return found === 'locked' ? null : found;
}

/** Makes the pending recording of one entry that of another. */
export async function transferPendingRecording(from: string, to: string): Promise<void> {
  const secretTagId = (await findPendingRecording(from))?.secretTagId;
  if (secretTagId === undefined) return;
  const pending = pendingRecordingOf({ id: from, secretTagId });
  await pending.transferTo(to);
  pendingRecordings.delete(from);
  pendingRecordings.set(to, pending);
}

/** Discards the pending recording of an entry that was deleted. */
export async function discardPendingRecording(id: string): Promise<void> {
  await close((pending) => pending.id === id);
  await recordingStore.discard(id);
}

/** Removes the recordings under a secret tag that is being locked. The device keeps them. */
export function lockPendingRecordings(secretTagId: string): Promise<void> {
  return close((pending) => pending.secretTagId === secretTagId);
}

/** Stops a recording that is running. The device keeps it, unless it could not be stored there. */
export function stopRecording(): Promise<void> {
  return close((pending) => pending.recorder !== null && !pending.inMemoryOnly);
}

/** Makes the browser ask before a tab is closed that would lose a recording. */
export function warnBeforeLosingRecordings(): void {
  addEventListener('beforeunload', (event) => {
    if (session.state !== 'out' && [...pendingRecordings.values()].some(({ fragile }) => fragile))
      event.preventDefault();
  });
}

async function close(matches: (pending: PendingRecording) => boolean): Promise<void> {
  const closing = [...pendingRecordings.values()].filter(matches);
  for (const pending of closing) {
    pending.closed = true;
    pendingRecordings.delete(pending.id);
  }
  await Promise.all(closing.map((pending) => pending.close()));
}
