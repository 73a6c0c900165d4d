/** Takes along what is open: from the server, through the worker, into one file on the person's disk. */

import { openSealed } from '../audio/sealed';
import { api, nextCursor, SottoError, unwrap } from '../api';
import { t } from '../i18n/index.svelte';
import { Unreadable } from '../secret/errors';
import { keyring } from '../secret/keys';
import { openTags, requireOpen, whileOpen } from '../secret/open.svelte';
import { opened, TooMany, type Progress, type Source, type Tag } from './opened';
import type { Place } from './place';

const PAGE = 50;

/**
 * Writes the archive. Nothing is there until all of it is.
 *
 * @throws SottoError; Locked if a secret tag is closed before it is done; what `signal` was aborted with.
 */
export async function takeOpened(tags: Tag[], place: Place, signal: AbortSignal, tell: (progress: Progress) => void): Promise<Progress> {
  let progress: Progress = { entries: 0, recordings: 0, missing: 0 };
  const files = opened(tags, source(signal), (now) => tell((progress = now)));
  try {
    const { makeZip } = await import('client-zip');
    signal.throwIfAborted();
    await makeZip(files).pipeTo(place.stream, { signal });
    await place.done();
    return progress;
  } catch (error) {
    await place.discard();
    signal.throwIfAborted();
    throw error instanceof TooMany ? new SottoError(400, { detail: t('settings:openedTooMany') }) : error;
  }
}

function source(signal: AbortSignal): Source {
  return {
    page: (tag, cursor) =>
      whileOpen(tag, async () => {
        const query = { secret_tag_id: tag, limit: PAGE, cursor };
        const answer = api.GET('/api/journals/', { params: { query }, signal });
        const [keys, sealed] = [await keyring(), await unwrap(answer)];
        const entries = await keys.openEntries(tag, sealed);
        // What was closed meanwhile does not open either, and is not damaged.
        requireOpen(tag);
        const next = nextCursor((await answer).response);
        return { entries: sealed.map((entry, at) => ({ sealed: entry, entry: entries[at] ?? null })), next };
      }),

    async recording({ id, secretTagId, audio }) {
      signal.throwIfAborted();
      if (!secretTagId || !audio?.key) return null;
      try {
        return await openSealed(id, secretTagId, audio.key, audio.formerKey);
      } catch (error) {
        const lost = error instanceof SottoError && error.status === 404;
        if (lost || error instanceof Unreadable) return null;
        throw error;
      }
    },

    async check(tag) {
      signal.throwIfAborted();
      await openTags.check();
      requireOpen(tag);
    },
  };
}
