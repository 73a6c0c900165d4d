/** Where recordings are kept: with their entry, on the server; encrypted here first if the entry is under a secret tag. */

import { api, SottoError, unwrap } from '../api';
import type { Entry, Recording } from '../entries/entry';
import { noteChange } from '../entries/changes';
import { typeToSend } from './media';
import { address, put, type Sending } from './transfer';

/** An entry, as far as its recording is concerned. */
export type Place = Pick<Entry, 'id' | 'secretTagId'>;

/** Keeps a recording in place of the one before. The entry has to be on the server. @throws SottoError */
export async function keepRecording({ id, secretTagId }: Place, blob: Blob, sending: Sending): Promise<Recording> {
  // A server that refuses in the middle of it could not say why.
  if (blob.size > (await audioLimit())) throw new SottoError(413, {});
  if (secretTagId !== null) return (await import('./sealed')).keepSealed(id, secretTagId, blob, sending);
  await put(address(id), blob, { 'content-type': typeToSend(blob.type) }, sending);
  noteChange(id);
  return { url: address(id), mediaType: blob.type, key: null };
}

/** Deletes it for good; if it is not there any more, that is fine. @throws SottoError */
export async function removeRecording({ id, secretTagId }: Place): Promise<void> {
  try {
    await unwrap(api.DELETE('/api/journals/{entry_id}/audio', { params: { path: { entry_id: id } } }));
  } catch (error) {
    if (!(error instanceof SottoError && error.status === 404)) throw error;
  }
  if (secretTagId !== null) await (await import('./sealed')).forgetKey(id, secretTagId);
}

let limit: Promise<number> | undefined;

/** How many bytes the server takes. If it does not say now, it will have to when it gets them. */
export function audioLimit(): Promise<number> {
  limit ??= unwrap(api.GET('/api/server')).then(({ audio_limit_bytes }) => audio_limit_bytes);
  return limit.catch(() => {
    limit = undefined;
    return Infinity;
  });
}
