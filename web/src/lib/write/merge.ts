/** Two versions of a text: where they differ, and what they are together. */

import { applyPatch, diffLines, diffWordsWithSpace, structuredPatch } from 'diff';

/** A stretch of text that both have, or one of them. */
export type Part = { text: string; side: 'both' | 'mine' | 'theirs' };

/** Work that a comparison may be, so that even two strange texts of a megabyte are compared at once. */
const MOST_LINES = 1_000;
const MOST_WORDS = 500;
/** Characters of a changed passage that is compared word by word. */
const LONGEST_PASSAGE = 20_000;

/** The parts of both, in order: whole lines first, and word by word where lines were changed. */
export function compare(mine: string, theirs: string): Part[] {
  const lines = diffLines(ended(mine), ended(theirs), { maxEditLength: MOST_LINES });
  if (!lines) return whole(mine, theirs);
  const parts: Part[] = [];
  for (let at = 0; at < lines.length; at++) {
    const here = lines[at]!;
    const next = lines[at + 1];
    if (here.removed && next?.added) {
      parts.push(...words(here.value, next.value));
      at++;
    } else {
      parts.push({ text: here.value, side: here.removed ? 'mine' : here.added ? 'theirs' : 'both' });
    }
  }
  return parts;
}

/**
 * One text out of two. Where both were changed in the same place it holds both passages, mine first, and is not `clean`.
 * `base` is what both began from, if that is known.
 */
export function merge(base: string | null, mine: string, theirs: string): { text: string; clean: boolean } {
  if (base !== null) {
    const patch = structuredPatch('', '', ended(base), ended(mine), '', '', { context: 1, maxEditLength: MOST_LINES });
    const text = patch && applyPatch(ended(theirs), patch);
    if (typeof text === 'string') return { text: unended(text, mine), clean: true };
  }
  const lines = diffLines(ended(mine), ended(theirs), { maxEditLength: MOST_LINES });
  const text = lines ? lines.map(({ value }) => value).join('') : `${ended(mine)}\n${ended(theirs)}`;
  return { text: unended(text, mine), clean: false };
}

function words(mine: string, theirs: string): Part[] {
  if (mine.length + theirs.length > LONGEST_PASSAGE) return whole(mine, theirs);
  const parts = diffWordsWithSpace(mine, theirs, { maxEditLength: MOST_WORDS });
  if (!parts) return whole(mine, theirs);
  return parts.map(({ value, added, removed }) => ({ text: value, side: removed ? 'mine' : added ? 'theirs' : 'both' }));
}

function whole(mine: string, theirs: string): Part[] {
  return [
    { text: mine, side: 'mine' },
    { text: theirs, side: 'theirs' },
  ];
}

/** A last line without an end would differ from the same line with one. */
const ended = (text: string) => (text === '' || text.endsWith('\n') ? text : `${text}\n`);
const unended = (text: string, like: string) => (like.endsWith('\n') ? text : text.replace(/\n$/, ''));
