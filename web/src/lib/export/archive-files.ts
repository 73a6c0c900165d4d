/**
 * The files in an archive of unlocked secret tags: decrypted entries and recordings, in the format of the server's
 * archive of plain entries.
 */

import type { Schemas } from '@sotto/client';

import { fileExtension } from '../recording/media-types';
import type { Entry } from '../entries/entry';
import { dayIn } from '../format';
import { t } from '../i18n/index.svelte';
import { entryMarkdown } from './entry-markdown';
import { FileNames } from './file-names';

export type Tag = { id: string; name: string };
export type File = { name: string; input: string | Blob; lastModified: Date };
/** `missing`: the number of entries and recordings that are not in the archive; `missing.txt` lists them. */
export type Progress = { entries: number; recordings: number; missing: number };

/** A sealed entry, with the decrypted one; null if it cannot be decrypted. */
export type Read = { sealed: Pick<Schemas['JournalEntry'], 'id' | 'entry_date' | 'entry_zone'>; entry: Entry | null };

/** The source of the entries. All methods reject when a secret tag is locked. */
export type Source = {
  page(tag: string, cursor?: string): Promise<{ entries: Read[]; next?: string }>;
  /** The decrypted recording of an entry; null if the server has none, or a damaged one. */
  recording(entry: Entry): Promise<Blob | null>;
  /** Rejects if the server is unreachable or the secret tag is locked. */
  check(tag: string): Promise<void>;
};

/** A ZIP archive without extensions holds 65,535 files. One is reserved for `missing.txt`. */
const MOST = 65_535 - 1;
/** How often a recording is requested that cannot be loaded although the server responds. */
const TRIES = 2;

/** The archive would have too many files. */
export class TooMany extends Error {
  override name = 'TooMany';
}

/**
 * Yields the files one by one. The last one, `missing.txt`, lists what could not be decrypted. Any other failure ends
 * the archive.
 *
 * @throws SottoError, TooMany
 */
export async function* archiveFiles(
  tags: Tag[],
  source: Source,
  onprogress: (progress: Progress) => void,
  most = MOST,
): AsyncGenerator<File> {
  const names = new FileNames();
  const missing: string[] = [];
  const done = { entries: 0, recordings: 0 };
  for (const tag of tags) {
    let cursor: string | undefined;
    do {
      const { entries, next } = await source.page(tag.id, cursor);
      for (const { sealed, entry } of entries) {
        if (done.entries + done.recordings + 2 > most) throw new TooMany();
        const day = padded(dayIn(sealed.entry_date, sealed.entry_zone));
        if (!entry) {
          missing.push(t('settings:missingEntry', { day, id: sealed.id }));
        } else {
          const name = names.unique(day, entry.title);
          const recording = entry.audio && (await load(entry, tag.id, source));
          const recordingName = recording && name + fileExtension(recording.type);
          const lastModified = date(day);
          const input = entryMarkdown(entry, { secretTag: tag.name, recording: recordingName?.split('/').at(-1) });
          yield { name: `${name}.md`, input, lastModified };
          if (recording && recordingName) yield { name: recordingName, input: recording, lastModified };
          if (recording) done.recordings += 1;
          else if (entry.audio) missing.push(t('settings:missingRecording', { name: `${name}.md` }));
          done.entries += 1;
        }
        onprogress({ ...done, missing: missing.length });
      }
      cursor = next;
    } while (cursor);
  }
  if (missing.length > 0) {
    const input = `${t('settings:missingText')}\n\n${missing.join('\n')}\n`;
    yield { name: 'missing.txt', input, lastModified: new Date() };
  }
}

/** A lost recording does not end the archive; an unreachable server does. */
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

const padded = (day: string) => day.padStart('2026-11-25'.length, '0');

/** ZIP archives cannot store dates before 1980. */
function date(day: string): Date {
  const [year = 0, month = 1, ofMonth = 1] = day.split('-').map(Number);
  return year < 1980 ? new Date(1980, 0, 1) : new Date(year, month - 1, ofMonth);
}
