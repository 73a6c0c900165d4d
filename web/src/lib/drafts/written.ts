/** What a person wrote, apart from where and how it is stored. */

import type { Draft, Entry } from '../entries/entry';
import { nameKey } from '../write/tagnames';

export type Written = Pick<Draft, 'title' | 'content' | 'tags' | 'date' | 'zone'>;

/** What the server is known to have: the ground that a draft stands on. */
export type Base = {
  /** null: the server has nothing yet. */
  revision: number | null;
  written: Written | null;
  /** What was sent last, whether or not an answer came. If just this comes back as a conflict, nobody else was at work. */
  sent?: Written;
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
  return (
    one.content === two.content &&
    (one.title?.trim() ?? '') === (two.title?.trim() ?? '') &&
    Date.parse(one.date) === Date.parse(two.date) &&
    one.zone === two.zone &&
    keys(one.tags) === keys(two.tags)
  );
}

const keys = (tags: string[]) => [...new Set(tags.map(nameKey))].sort().join('\n');

/** What no database stores is left out: NUL, and halves of characters that a paste or an input method left behind. */
export function storable(text: string): string {
  return text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '\ufffd');
}
