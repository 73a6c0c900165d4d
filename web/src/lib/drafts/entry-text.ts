/** The text of an entry as its author writes it, and the base version of a draft. */

import type { Draft, Entry } from '../entries/entry';
import { tagNameKey } from '../tags/tag-names';

export type EntryText = Pick<Draft, 'title' | 'content' | 'tags' | 'date' | 'zone'>;

/**
 * The version of the server that a draft started from. Stored with the draft: the names of the fields must not change.
 */
export type BaseVersion = {
  /** null: the server does not have the entry yet. */
  revision: number | null;
  written: EntryText | null;
  /**
   * Fingerprints of saves whose response was lost. If the server's version has one of these, the conflict is with
   * itself.
   */
  sent?: string[];
  /** The server's version in a conflict that the user has not decided yet. */
  other?: ServerVersion;
};

/** The version of an entry on the server; null if the entry was deleted. */
export type ServerVersion = { revision: number; written: EntryText } | null;

export const NO_BASE: BaseVersion = { revision: null, written: null };

export function textOf(entry: Entry): EntryText {
  const { title, content, date, zone } = entry;
  return { title, content, tags: entry.tags.map(({ name }) => name), date, zone };
}

export function isEmpty(written: EntryText): boolean {
  return written.content.trim() === '' && !written.title?.trim();
}

/** Whether the server would store both the same: it trims titles, folds tag names and normalizes dates. */
export function sameText(one: EntryText, two: EntryText): boolean {
  return canonical(one) === canonical(two);
}

/** Equal for two texts that {@link sameText} holds equal: SHA-256 in hexadecimal. */
export async function fingerprint(written: EntryText): Promise<string> {
  const text = canonical(written);
  // Without WebCrypto nothing is stored either, so the length does not matter.
  if (globalThis.crypto?.subtle === undefined) return text;
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The text in the form that is sent: with null in place of an empty title. */
export function sendable(written: EntryText): EntryText {
  return {
    ...written,
    title: written.title && (storable(written.title).trim() || null),
    content: storable(written.content),
  };
}

function canonical({ title, content, tags, date, zone }: EntryText): string {
  return JSON.stringify([
    title?.trim() ?? '',
    storable(content),
    [...new Set(tags.map(tagNameKey))].sort(),
    Date.parse(date),
    zone,
  ]);
}

/**
 * Removes NUL, which no database stores, and replaces the lone surrogates that pastes and input methods leave behind.
 */
function storable(text: string): string {
  return text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '\ufffd');
}
