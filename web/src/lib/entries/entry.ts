/** Entries as the app works with them, and the interface of their stores. */

import type { EntryTag } from '../tags/tags';

/** An entry, plain or decrypted. */
export type Entry = {
  id: string;
  title: string | null;
  /** Markdown. */
  content: string;
  /** `content` is only the first part of the text, as in lists. */
  truncated: boolean;
  tags: EntryTag[];
  /** The entry date, RFC 3339. */
  date: string;
  /** The IANA time zone of the entry date. */
  zone: string;
  /** The secret tag under which the entry is sealed on the server. */
  secretTagId: string | null;
  revision: number;
  createdAt: string;
  updatedAt: string;
  audio: Recording | null;
};

/**
 * `key` is the key of an encrypted recording. `formerKey` is the key of the recording before it, as long as it is not
 * certain that the new one has arrived: the recording on the server has one of the two.
 */
export type Recording = { url: string; mediaType: string | null; key: Uint8Array | null; formerKey?: Uint8Array };

/** An entry to save. `revision` is that of the base version; null for a new entry. */
export type Draft = {
  id: string;
  revision: number | null;
  title: string | null;
  content: string;
  tags: string[];
  date: string;
  zone: string;
  /** The keys of a sealed recording; absent: unchanged. */
  audio?: Recording | null;
};

/** `whole`: load the whole text of each entry, not only the first part. */
export type EntryQuery = { q?: string; tag?: string; from?: string; to?: string; whole?: boolean };
/** `unreadable`: the number of further entries that could not be decrypted. */
export type EntryPage = { entries: Entry[]; next: string | undefined; unreadable?: number };

/** A store of entries: the plain ones (plain-entries.ts), or those under one secret tag (secret/sealed-entries.ts). */
export interface EntryStore {
  /** The secret tag; absent for plain entries. */
  readonly under?: string;
  page(query: EntryQuery, cursor?: string, signal?: AbortSignal): Promise<EntryPage>;
  get(id: string): Promise<Entry>;
  /** Replaces the whole entry. Idempotent. @throws Conflict if the entry has changed since the base version */
  save(draft: Draft): Promise<Entry>;
  remove(id: string): Promise<void>;
}

/** The entry has changed on the server. `current` is its present version; null if it was deleted. */
export class Conflict extends Error {
  constructor(readonly current: Entry | null) {
    super('the entry was changed elsewhere');
    this.name = 'Conflict';
  }
}

/** Compares two entries for the order of the server: newest first, then by id. */
export function newestFirst(a: Entry, b: Entry): number {
  const apart = Date.parse(b.date) - Date.parse(a.date);
  if (apart !== 0) return apart;
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0;
}
