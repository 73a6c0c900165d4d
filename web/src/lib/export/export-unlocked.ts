/** Exports unlocked secret tags: loads the entries, decrypts them in the worker, and writes one archive. */

import { decryptRecording } from '../recording/sealed-recording';
import { api, nextCursor, SottoError, unwrap } from '../api';
import { t } from '../i18n/index.svelte';
import { Unreadable } from '../secret/errors';
import { keyring } from '../secret/keyring-client';
import { unlockedTags, requireUnlocked, whileUnlocked } from '../secret/unlocked-tags.svelte';
import { archiveFiles, TooMany, type Progress, type Source, type Tag } from './archive-files';
import type { SaveTarget } from './save-target';

const PAGE = 50;

/**
 * Writes the archive. The file exists only when it is complete.
 *
 * @throws SottoError; Locked if a secret tag is locked before the end; the reason of `signal`.
 */
export async function exportUnlocked(
  tags: Tag[],
  target: SaveTarget,
  signal: AbortSignal,
  onprogress: (progress: Progress) => void,
): Promise<Progress> {
  let progress: Progress = { entries: 0, recordings: 0, missing: 0 };
  const files = archiveFiles(tags, source(signal), (now) => onprogress((progress = now)));
  try {
    const { makeZip } = await import('client-zip');
    signal.throwIfAborted();
    await makeZip(files).pipeTo(target.stream, { signal });
    await target.done();
    return progress;
  } catch (error) {
    await target.discard();
    signal.throwIfAborted();
    throw error instanceof TooMany ? new SottoError(400, { detail: t('settings:unlockedTooMany') }) : error;
  }
}

function source(signal: AbortSignal): Source {
  return {
    page: (tag, cursor) =>
      whileUnlocked(tag, async () => {
        const query = { secret_tag_id: tag, limit: PAGE, cursor };
        const call = api.GET('/api/journals/', { params: { query }, signal });
        const [keys, sealed] = [await keyring(), await unwrap(call)];
        const entries = await keys.openEntries(tag, sealed);
        // Entries of a tag that was locked during the export cannot be decrypted either, but are not damaged.
        requireUnlocked(tag);
        const next = nextCursor((await call).response);
        return { entries: sealed.map((entry, at) => ({ sealed: entry, entry: entries[at] ?? null })), next };
      }),

    async recording({ id, secretTagId, audio }) {
      signal.throwIfAborted();
      if (!secretTagId || !audio?.key) return null;
      try {
        return await decryptRecording(id, secretTagId, audio.key, audio.formerKey);
      } catch (error) {
        const lost = error instanceof SottoError && error.status === 404;
        if (lost || error instanceof Unreadable) return null;
        throw error;
      }
    },

    async check(tag) {
      signal.throwIfAborted();
      await unlockedTags.check();
      requireUnlocked(tag);
    },
  };
}
