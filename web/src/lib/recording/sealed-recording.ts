/**
 * Recordings of entries under a secret tag: encrypted and decrypted in this tab (docs/protocol.md). The key of a
 * recording is in the sealed text of its entry, and nowhere else. The entry gets the new key before the recording is
 * sent, and keeps the former key until the recording has arrived: whichever step fails, the recording on the server
 * can be decrypted.
 */

import { HEAD_LENGTH, openRecording, Recording as SealedRecording, sealRecording } from '@sotto/vault/recording.js';

import { api, SottoError, unwrap } from '../api';
import { Conflict, type Recording } from '../entries/entry';
import { NotSent, Unreadable } from '../secret/errors';
import { keyring } from '../secret/keyring-client';
import { sealedEntries } from '../secret/sealed-entries';
import { whileUnlocked } from '../secret/unlocked-tags.svelte';
import { session } from '../session.svelte';
import { putWithProgress, recordingUrl, type PutOptions } from './put-with-progress';

/** How often a save of the keys is attempted. An attempt fails if another save changes the entry at the same time. */
const MAX_ATTEMPTS = 5;

/** @throws SottoError; Locked if the secret tag is locked before the end. */
export async function saveSealed(id: string, tag: string, blob: Blob, options: PutOptions): Promise<Recording> {
  const { audioKey, sealed } = await sealRecording(identityOf(id), blob);
  const former = await currentKey(id, tag);
  options.signal.throwIfAborted();
  const recording: Recording = { url: recordingUrl(id), mediaType: blob.type, key: audioKey };
  const previous: Recording | null = former && { ...recording, key: former };
  await saveKeys(id, tag, former ? { ...recording, formerKey: former } : recording);
  try {
    await whileUnlocked(tag, (unlock) =>
      putWithProgress(recordingUrl(id), sealed, { ...unlock, 'content-type': sealed.type }, options),
    );
  } catch (error) {
    // A cancelled upload may have arrived, so both keys stay. A first recording that the user has cancelled is
    // unwanted.
    const unwanted = !former && options.signal.aborted;
    // If this save fails as well, both keys stay.
    if (unwanted || isRejected(error)) await saveKeys(id, tag, previous).catch(() => {});
    throw error;
  }
  // If this save fails, the next playback finds the key that fits, and the next save removes the other one.
  if (former) await saveKeys(id, tag, recording).catch(() => {});
  return recording;
}

/**
 * Loads and decrypts a recording.
 *
 * @throws SottoError; NotSent if the server has no recording; Unreadable if it was modified or has another key.
 */
export async function decryptRecording(
  id: string,
  tag: string,
  key: Uint8Array,
  formerKey?: Uint8Array,
): Promise<Blob> {
  const sealed = await read(id, tag, 'blob');
  if (!sealed) throw new NotSent();
  const opened = await decryptWith({ key, formerKey }, id, tag, sealed);
  if (opened) return opened;
  // The recording may have been replaced since these keys were loaded.
  const { audio } = await sealedEntries(tag).get(id);
  const decrypted = audio?.key && (await decryptWith(audio, id, tag, sealed));
  if (!decrypted) throw new Unreadable();
  return decrypted;
}

/** Removes the key from an entry whose recording was deleted. */
export async function removeRecordingKey(id: string, tag: string): Promise<void> {
  await saveKeys(id, tag, null);
}

async function decryptWith(
  { key, formerKey }: Pick<Recording, 'key' | 'formerKey'>,
  id: string,
  tag: string,
  sealed: Blob,
): Promise<Blob | null> {
  for (const candidate of [key, formerKey]) {
    if (!candidate) continue;
    try {
      const opened = await openRecording(identityOf(id), candidate, sealed);
      if (formerKey) await (await keyring()).confirmRecordingKey(tag, id, candidate);
      return opened;
    } catch {
      // Not the key of this recording.
    }
  }
  return null;
}

/** Returns the entry's key that decrypts the recording on the server; null if there is none. */
async function currentKey(id: string, tag: string): Promise<Uint8Array | null> {
  const { audio } = await sealedEntries(tag).get(id);
  const keys = [audio?.key, audio?.formerKey].filter((key) => key instanceof Uint8Array);
  const head = keys.length > 0 && (await read(id, tag, 'arrayBuffer', { range: `bytes=0-${HEAD_LENGTH - 1}` }));
  if (!head) return null;
  // A server may ignore the range and send the whole recording.
  const headBytes = new Uint8Array(head, 0, Math.min(HEAD_LENGTH, head.byteLength));
  for (const key of keys) {
    try {
      await SealedRecording.open(identityOf(id), key, async () => headBytes);
      return key;
    } catch {
      // Not the key of this recording.
    }
  }
  return null;
}

/** Returns the encrypted recording, or a range of it; null if the server has none. */
async function read<T extends 'blob' | 'arrayBuffer'>(
  id: string,
  tag: string,
  parseAs: T,
  header: { range?: string } = {},
) {
  const params = { path: { entry_id: id }, header };
  try {
    const body = await whileUnlocked(tag, (headers) =>
      unwrap(api.GET('/api/journals/{entry_id}/audio', { params, headers, parseAs })),
    );
    return body as unknown as T extends 'blob' ? Blob : ArrayBuffer;
  } catch (error) {
    if (error instanceof SottoError && error.status === 404) return null;
    throw error;
  }
}

/** Saves the entry with its current text and these keys. */
async function saveKeys(id: string, tag: string, audio: Recording | null): Promise<void> {
  const store = sealedEntries(tag);
  for (let attempt = 1; ; attempt++) {
    const { title, content, tags, date, zone, revision, audio: stored } = await store.get(id);
    if (sameKeys(stored, audio)) return;
    const draft = { id, revision, title, content, tags: tags.map(({ name }) => name), date, zone, audio };
    try {
      const saved = await store.save(draft);
      // The response can be the result of another save.
      if (sameKeys(saved.audio, audio)) return;
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
    }
    // The user can try again, as when the server is busy.
    if (attempt === MAX_ATTEMPTS) throw new SottoError(503, {});
  }
}

/** Whether the server has rejected the recording, as opposed to a response that was lost. */
function isRejected(error: unknown): boolean {
  return error instanceof SottoError && ((error.status >= 400 && error.status < 500) || error.status === 507);
}

/** The user and the entry, to which the encryption binds a recording. */
const identityOf = (entry: string) => ({ user: session.user.id, entry });

function sameKeys(one: Recording | null, other: Recording | null): boolean {
  const keys = (recording: Recording | null) => [recording?.key, recording?.formerKey].join(' ');
  return keys(one) === keys(other);
}
