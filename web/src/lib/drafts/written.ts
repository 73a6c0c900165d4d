/** What a person wrote, apart from where and how it is stored. */

import type { Draft, Entry } from '../entries/entry';
import { nameKey } from '../write/tagnames';

export type Written = Pick<Draft, 'title' | 'content' | 'tags' | 'date' | 'zone'>;

/** What the server is known to have: the ground that a draft stands on. */
export type Base = {
  /** null: the server has nothing yet. */
  revision: number | null;
  written: Written | null;
  /** Fingerprints of what was sent without an answer. If one of these comes back as a conflict, nobody else was at work. */
  sent?: string[];
  /** The entry was changed elsewhere, and the person has not decided yet. */
  other?: Other;
};

/** What an entry says elsewhere; null if it was deleted there. */
export type Other = { revision: number; written: Written } | null;

export const NOTHING: Base = { revision: null, written: null };

export function writtenOf(entry: Entry): Written {
  const { title, content, date, zone } = entry;
  return { title, content, tags: entry.tags.map(({ name }) => name), date, zone };
}

export function isEmpty(written: Written): boolean {
  return written.content.trim() === '' && !written.title?.trim();
}

/** Whether the server would store the same: it trims titles, folds the names of tags, and has its own way to write a date. */
export function same(one: Written, two: Written): boolean {
  return canonical(one) === canonical(two);
}

/** The same for what the server would store the same. */
export async function fingerprint(written: Written): Promise<string> {
  const text = canonical(written);
  // Without WebCrypto nothing is stored either; what is in memory may be as long as it is.
  if (globalThis.crypto?.subtle === undefined) return text;
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function canonical({ title, content, tags, date, zone }: Written): string {
  return JSON.stringify([title?.trim() ?? '', storable(content), [...new Set(tags.map(nameKey))].sort(), Date.parse(date), zone]);
}

/** As it is sent: no title rather than an empty one. */
export function sendable(written: Written): Written {
  return { ...written, title: written.title && (storable(written.title).trim() || null), content: storable(written.content) };
}

/** What no database stores is left out: NUL, and halves of characters that a paste or an input method left behind. */
function storable(text: string): string {
  return text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '\ufffd');
}
