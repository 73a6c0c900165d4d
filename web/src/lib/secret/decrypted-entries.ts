/** The decrypted entries of one unlocked secret tag, and a search in them. In memory only, until the tag is locked. */

import MiniSearch from 'minisearch';

import { newestFirst, type Entry, type EntryQuery } from '../entries/entry';
import { supportedZone } from '../zone';

/** The length of an excerpt in lists and search results, in characters. */
const EXCERPT = 600;

export class DecryptedEntries {
  #entries = new Map<string, Entry>();
  #words = new MiniSearch<Entry>({
    fields: ['title', 'content', 'tags'],
    tokenize,
    processTerm: fold,
    extractField: (entry, field) => {
      if (field === 'tags') return entry.tags.map(({ name }) => name).join(' ');
      return String(entry[field as 'id' | 'title' | 'content'] ?? '');
    },
    searchOptions: { combineWith: 'AND', prefix: true },
  });

  get(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  put(entry: Entry): void {
    if (this.#entries.has(entry.id)) this.#words.replace(entry);
    else this.#words.add(entry);
    this.#entries.set(entry.id, entry);
  }

  remove(id: string): void {
    if (this.#entries.delete(id)) this.#words.discard(id);
  }

  /** The matching entries, newest first, each with an excerpt around the words. */
  search({ q, tag, from, to }: EntryQuery): Entry[] {
    const query = q?.trim();
    const hits = query ? this.#words.search(query) : [...this.#entries.keys()].map((id) => ({ id, terms: [] }));
    return hits
      .map(({ id, terms }) => ({ entry: this.#entries.get(id as string)!, terms }))
      .filter(({ entry }) => {
        const day = dayOf(entry);
        const dated = (!from || day >= from) && (!to || day <= to);
        return dated && (!tag || entry.tags.some(({ name }) => fold(name) === fold(tag)));
      })
      .sort((one, other) => newestFirst(one.entry, other.entry))
      .map(({ entry, terms }) => excerpt(entry, terms));
  }
}

/** Shortens the text of an entry to its first part, or to the part around the first of these words. */
export function excerpt(entry: Entry, words: string[] = []): Entry {
  if (entry.content.length <= EXCERPT) return entry;
  // Folding can change lengths, so this position is approximate, which is enough for an excerpt.
  const folded = fold(entry.content);
  const first = Math.min(...words.map((word) => folded.indexOf(word)).filter((at) => at >= 0));
  if (!Number.isFinite(first) || first < EXCERPT / 2)
    return { ...entry, content: cutFrom(entry.content, 0), truncated: true };
  return { ...entry, content: `… ${cutFrom(entry.content, first - EXCERPT / 4)}`, truncated: true };
}

/** Cuts at whole characters, so that an emoji is not cut in two. */
function cutFrom(text: string, start: number): string {
  return text.slice(start, start + EXCERPT).replace(/^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/g, '');
}

const days = new Map<string, Intl.DateTimeFormat>();

/** The day of an entry, `2026-11-25`. */
function dayOf({ date, zone }: Entry): string {
  let format = days.get(zone);
  if (!format)
    days.set(zone, (format = new Intl.DateTimeFormat('en-CA', { dateStyle: 'short', timeZone: supportedZone(zone) })));
  return format.format(new Date(date));
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' });

/** Splits a text into words, also in languages without spaces. */
function tokenize(text: string): string[] {
  const words = [];
  for (const { segment, isWordLike } of segmenter.segment(text)) if (isWordLike) words.push(segment);
  return words;
}

/** Removes case and accents. */
function fold(word: string): string {
  return word.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}
