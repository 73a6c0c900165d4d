/** An entry as the app works with it, whether it lay open on the server or was sealed and opened here. */
export type Entry = {
  id: string;
  title: string | null;
  /** Markdown. */
  content: string;
  /** `content` is only its beginning, as in lists. */
  truncated: boolean;
  tags: EntryTag[];
  /** The instant, RFC 3339. */
  date: string;
  /** The IANA time zone that it was written in. */
  zone: string;
  /** Under which secret tag it is sealed on the server. */
  secretTagId: string | null;
  revision: number;
  createdAt: string;
  updatedAt: string;
  audio: Recording | null;
};

/** Tags of sealed entries are words inside of the sealed text: they have no id and no colour. */
export type EntryTag = { id: string | null; name: string; color: string | null };

/**
 * `key` is there when the recording is encrypted. `formerKey` is that of the recording before it, while it is not certain that
 * this one has taken its place: then either may be the one.
 */
export type Recording = { url: string; mediaType: string | null; key: Uint8Array | null; formerKey?: Uint8Array };

/** What a person writes. `revision` is what they began from; null for a new entry. */
export type Draft = {
  id: string;
  revision: number | null;
  title: string | null;
  content: string;
  tags: string[];
  date: string;
  zone: string;
  /** What is recorded with it, if that is sealed; absent: as it was. */
  audio?: Recording | null;
};

/** `whole`: lists hold the whole text of each entry, not its beginning alone. */
export type EntryQuery = { q?: string; tag?: string; from?: string; to?: string; whole?: boolean };
/** `unreadable`: how many more there are that were sealed and do not open. */
export type EntryPage = { entries: Entry[]; next: string | undefined; unreadable?: number };

/** Where entries are kept: in the open (plain.ts), or under one secret tag. */
export interface EntryStore {
  /** Which secret tag; absent in the open. */
  readonly under?: string;
  page(query: EntryQuery, cursor?: string, signal?: AbortSignal): Promise<EntryPage>;
  get(id: string): Promise<Entry>;
  /** Saves whole; saving the same draft twice changes nothing. Throws {@link Conflict} if somebody else was faster. */
  save(draft: Draft): Promise<Entry>;
  remove(id: string): Promise<void>;
}

/** The entry was changed elsewhere in the meantime; `current` is what it says now, null if it was deleted. */
export class Conflict extends Error {
  constructor(readonly current: Entry | null) {
    super('the entry was changed elsewhere');
    this.name = 'Conflict';
  }
}

/** Newest first, as the server lists them. */
export function newestFirst(a: Entry, b: Entry): number {
  const apart = Date.parse(b.date) - Date.parse(a.date);
  if (apart !== 0) return apart;
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0;
}
