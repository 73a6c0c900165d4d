/**
 * The files of an archive of what is open: entries under secret tags and their recordings, decrypted, named and written as
 * the server does it for entries in plain.
 */

import type { Schemas } from '@sotto/client';

import { ending } from '../audio/media';
import type { Entry } from '../entries/entry';
import { dayIn } from '../format';
import { t } from '../i18n/index.svelte';
import { markdown } from './markdown';
import { Names } from './names';

export type Tag = { id: string; name: string };
export type File = { name: string; input: string | Blob; lastModified: Date };
/** `missing`: how many entries and recordings are not in it, which `missing.txt` names. */
export type Progress = { entries: number; recordings: number; missing: number };

/** An entry as the server keeps it, and opened; null if it does not open. */
export type Read = { sealed: Pick<Schemas['JournalEntry'], 'id' | 'entry_date' | 'entry_zone'>; entry: Entry | null };

/** Where it comes from. All of it fails when a secret tag is closed. */
export type Source = {
  page(tag: string, cursor?: string): Promise<{ entries: Read[]; next?: string }>;
  /** The recording of an entry in plain; null if the server has it no more, or not as it was encrypted. */
  recording(entry: Entry): Promise<Blob | null>;
  /** Fails if the server is out of reach, or the secret tag is not open. */
  check(tag: string): Promise<void>;
};

/** So many files fit into an archive of the kind that every program reads, one of them for what is missing. */
const MOST = 65_535 - 1;
/** A recording that cannot be loaded although the server answers is tried so often. */
const TRIES = 2;

/** There is more than fits into one archive. */
export class TooMany extends Error {
  override name = 'TooMany';
}

/**
 * One file after the other. What does not open is named in `missing.txt`, at the end; whatever else fails, ends it.
 *
 * @throws SottoError, TooMany
 */
export async function* opened(tags: Tag[], source: Source, tell: (progress: Progress) => void, most = MOST): AsyncGenerator<File> {
  const names = new Names();
  const missing: string[] = [];
  const done = { entries: 0, recordings: 0 };
  for (const tag of tags) {
    let cursor: string | undefined;
    do {
      const { entries, next } = await source.page(tag.id, cursor);
      for (const { sealed, entry } of entries) {
        if (done.entries + done.recordings + 2 > most) throw new TooMany();
        const day = dayOf(sealed.entry_date, sealed.entry_zone);
        if (!entry) {
          missing.push(t('settings:missingEntry', { day, id: sealed.id }));
        } else {
          const name = names.of(day, entry.title);
          const recording = entry.audio && (await load(entry, tag.id, source));
          const beside = recording && name + ending(recording.type);
          const lastModified = date(day);
          const input = markdown(entry, { secretTag: tag.name, recording: beside?.split('/').at(-1) });
          yield { name: `${name}.md`, input, lastModified };
          if (recording && beside) yield { name: beside, input: recording, lastModified };
          if (recording) done.recordings += 1;
          else if (entry.audio) missing.push(t('settings:missingRecording', { name: `${name}.md` }));
          done.entries += 1;
        }
        tell({ ...done, missing: missing.length });
      }
      cursor = next;
    } while (cursor);
  }
  if (missing.length > 0) {
    const input = `${t('settings:missingText')}\n\n${missing.join('\n')}\n`;
    yield { name: 'missing.txt', input, lastModified: new Date() };
  }
}

/** A recording that is lost keeps nothing else from the person; a server that is out of reach does. */
async function load(entry: Entry, tag: string, source: Source): Promise<Blob | null> {
  for (let tries = 1; ; tries++) {
    try {
      return await source.recording(entry);
    } catch {
      await source.check(tag);
      if (tries === TRIES) return null;
    }
  }
}

/** A browser may know fewer time zones than the server does. */
function dayOf(instant: string, zone: string): string {
  try {
    return padded(dayIn(instant, zone));
  } catch {
    return padded(dayIn(instant, 'UTC'));
  }
}

const padded = (day: string) => day.padStart('2026-11-25'.length, '0');

/** The format knows days from 1980 on. */
function date(day: string): Date {
  const [year = 0, month = 1, ofMonth = 1] = day.split('-').map(Number);
  return year < 1980 ? new Date(1980, 0, 1) : new Date(year, month - 1, ofMonth);
}
