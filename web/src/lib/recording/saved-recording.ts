/** Saves and deletes the recording of an entry on the server. Under a secret tag, the recording is encrypted first. */

import { api, SottoError, unwrap } from '../api';
import type { Entry, Recording } from '../entries/entry';
import { noteChange } from '../entries/entry-changes';
import { typeToSend } from './media-types';
import { putWithProgress, recordingUrl, type PutOptions } from './put-with-progress';

/** What a recording has to know of its entry. */
export type EntryRef = Pick<Entry, 'id' | 'secretTagId'>;

/** Replaces the recording of an entry that the server has. @throws SottoError */
export async function saveRecording(
  { id, secretTagId }: EntryRef,
  blob: Blob,
  options: PutOptions,
): Promise<Recording> {
  // A server that rejects the request in the middle of the body could not send the reason.
  if (blob.size > (await audioLimit())) throw new SottoError(413, {});
  if (secretTagId !== null) return (await import('./sealed-recording')).saveSealed(id, secretTagId, blob, options);
  await putWithProgress(recordingUrl(id), blob, { 'content-type': typeToSend(blob.type) }, options);
  noteChange(id);
  return { url: recordingUrl(id), mediaType: blob.type, key: null };
}

/** Deletes the recording of an entry; no error if there is none. @throws SottoError */
export async function deleteRecording({ id, secretTagId }: EntryRef): Promise<void> {
  try {
    await unwrap(api.DELETE('/api/journals/{entry_id}/audio', { params: { path: { entry_id: id } } }));
  } catch (error) {
    if (!(error instanceof SottoError && error.status === 404)) throw error;
  }
  if (secretTagId !== null) await (await import('./sealed-recording')).removeRecordingKey(id, secretTagId);
}

let limit: Promise<number> | undefined;

/** The largest recording that the server accepts, in bytes; infinite if the server does not answer now. */
export function audioLimit(): Promise<number> {
  limit ??= unwrap(api.GET('/api/server')).then(({ audio_limit_bytes }) => audio_limit_bytes);
  return limit.catch(() => {
    limit = undefined;
    return Infinity;
  });
}
