/**
 * Recordings of entries under a secret tag: encrypted and decrypted in this tab (docs/protocol.md). The key of each is in the
 * sealed text of its entry, and nowhere else.
 */

import { openRecording, sealRecording } from '@sotto/vault/recording.js';

import { api, SottoError, unwrap } from '../api';
import { Conflict, type Recording } from '../entries/entry';
import { sealedEntries } from '../secret/entries';
import { Unreadable } from '../secret/errors';
import { whileOpen } from '../secret/open.svelte';
import { session } from '../session.svelte';
import { address, put, type Sending } from './transfer';

/** Somebody may be saving the text meanwhile; so often it is tried again. */
const TRIES = 5;

/** @throws SottoError; Locked if the secret tag is closed before it is done. */
export async function keepSealed(id: string, tag: string, blob: Blob, sending: Sending): Promise<Recording> {
  const { audioKey, sealed } = await sealRecording({ user: session.user.id, entry: id }, blob);
  // First the recording, then its key: an entry with a key and without a recording would be worth less.
  await whileOpen(tag, (unlock) => put(address(id), sealed, { ...unlock, 'content-type': sealed.type }, sending));
  const recording = { url: address(id), mediaType: blob.type, key: audioKey };
  await giveKey(id, tag, recording);
  return recording;
}

/** The recording as it was before it was encrypted. @throws SottoError; Unreadable if it was changed or is another one. */
export async function openSealed(id: string, tag: string, key: Uint8Array): Promise<Blob> {
  const params = { path: { entry_id: id } };
  const sealed = await whileOpen(tag, (headers) =>
    unwrap(api.GET('/api/journals/{entry_id}/audio', { params, headers, parseAs: 'blob' })),
  );
  try {
    return await openRecording({ user: session.user.id, entry: id }, key, sealed as unknown as Blob);
  } catch {
    throw new Unreadable();
  }
}

/** The entry has no recording any more. */
export async function forgetKey(id: string, tag: string): Promise<void> {
  await giveKey(id, tag, null);
}

/** Seals the entry again, as it is now, with this key in it. */
async function giveKey(id: string, tag: string, audio: Recording | null): Promise<void> {
  const store = sealedEntries(tag);
  for (let tries = 1; ; tries++) {
    const { title, content, tags, date, zone, revision, audio: present } = await store.get(id);
    if (sameKey(present, audio)) return;
    const draft = { id, revision, title, content, tags: tags.map(({ name }) => name), date, zone, audio };
    try {
      const saved = await store.save(draft);
      // The answer can be what another save has made of it.
      if (sameKey(saved.audio, audio)) return;
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
    }
    if (tries === TRIES) throw new SottoError(503, {});
  }
}

function sameKey(one: Recording | null, other: Recording | null): boolean {
  return String(one?.key ?? '') === String(other?.key ?? '');
}
