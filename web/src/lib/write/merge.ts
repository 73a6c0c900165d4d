/** Compares and merges two versions of a text. */

import { diffArrays, diffLines, diffWordsWithSpace } from 'diff';
import { diff3Merge } from 'node-diff3';

/** A part of a text that both versions have, or one of them. */
export type Part = { text: string; side: 'both' | 'mine' | 'theirs' };

/** Limits for the work of a comparison, so that two unrelated texts of 1 MB do not block the page. */
const MOST_LINES = 1_000;
const MOST_WORDS = 500;
/** The longest passage that is compared word by word, in characters. */
const LONGEST_PASSAGE = 20_000;

/** Returns the parts of both versions in order: whole lines, and words where lines were changed. */
export function compare(mine: string, theirs: string): Part[] {
  const lines = diffLines(withFinalBreak(mine), withFinalBreak(theirs), { maxEditLength: MOST_LINES });
  if (!lines) return unsplitParts(mine, theirs);
  const parts: Part[] = [];
  for (let at = 0; at < lines.length; at++) {
    const here = lines[at]!;
    const next = lines[at + 1];
    if (here.removed && next?.added) {
      parts.push(...wordParts(here.value, next.value));
      at++;
    } else {
      parts.push({ text: here.value, side: here.removed ? 'mine' : here.added ? 'theirs' : 'both' });
    }
  }
  return parts;
}

/**
 * Merges two versions of `base` line by line, with the three-way merge of diff3 (Khanna, Kunal and Pierce, 2007).
 * Where both changed the same lines or neighbouring ones, the text holds both passages, mine first, and the result is
 * not `clean`. Without a base, the text holds every line of both.
 */
export function merge(base: string | null, mine: string, theirs: string): { text: string; clean: boolean } {
  const merged = base === null ? null : mergeLines(lines(base), lines(mine), lines(theirs));
  if (merged)
    return {
      text: withBreakLike(
        merged.lines.map((line) => `${line}\n`).join(''),
        endsWithBreak(mine) === endsWithBreak(base!) ? theirs : mine,
      ),
      clean: merged.clean,
    };
  const parts = diffLines(withFinalBreak(mine), withFinalBreak(theirs), { maxEditLength: MOST_LINES });
  const text = parts ? parts.map(({ value }) => value).join('') : `${withFinalBreak(mine)}\n${withFinalBreak(theirs)}`;
  return { text: withBreakLike(text, mine), clean: false };
}

type Lines = { lines: string[]; clean: boolean };

/** `null` if the texts are too long for a comparison that is quadratic in the number of lines. */
function mergeLines(base: string[], mine: string[], theirs: string[]): Lines | null {
  const shortest = Math.min(base.length, mine.length, theirs.length);
  let head = 0;
  while (head < shortest && base[head] === mine[head] && base[head] === theirs[head]) head++;
  let tail = 0;
  while (
    tail < shortest - head &&
    base.at(-1 - tail) === mine.at(-1 - tail) &&
    base.at(-1 - tail) === theirs.at(-1 - tail)
  )
    tail++;
  const middles = [mine, base, theirs].map((all) => all.slice(head, all.length - tail)) as [
    string[],
    string[],
    string[],
  ];
  if (middles.some(({ length }) => length > MOST_LINES)) return null;

  const forwards = join(middles);
  // Among equal lines, a change fits in more than one place. Forwards the comparison chooses the first place,
  // backwards the last. If the results differ, the place is ambiguous.
  const backwards = join(middles.map((middle) => middle.toReversed()) as typeof middles);
  const agreed = forwards.clean && backwards.clean && equal(forwards.lines, backwards.lines.reverse());
  const middle = agreed || !forwards.clean ? forwards.lines : union(middles[0], middles[2]);
  return { lines: [...base.slice(0, head), ...middle, ...base.slice(base.length - tail)], clean: agreed };
}

function join([mine, base, theirs]: [string[], string[], string[]]): Lines {
  const regions = diff3Merge(mine, base, theirs, { excludeFalseConflicts: false });
  return {
    lines: regions.flatMap(({ ok, conflict }) => ok ?? (conflict ? union(conflict.a, conflict.b) : [])),
    clean: regions.every(({ conflict }) => !conflict || (equal(conflict.a, conflict.b) && isCertain(conflict, base))),
  };
}

/** Whether two equal changes are the same change. Of several equal lines, each version may have deleted another one. */
const isCertain = ({ a, o }: { a: string[]; o: string[] }, base: string[]) =>
  a.length > 0 || o.every((line) => base.indexOf(line) === base.lastIndexOf(line));

/** Every line of both, mine first where they differ. */
const union = (mine: string[], theirs: string[]) => diffArrays(mine, theirs).flatMap(({ value }) => value);
const equal = (one: string[], other: string[]) =>
  one.length === other.length && one.every((line, at) => line === other[at]);
const lines = (text: string) => withFinalBreak(text).split('\n').slice(0, -1);

function wordParts(mine: string, theirs: string): Part[] {
  if (mine.length + theirs.length > LONGEST_PASSAGE) return unsplitParts(mine, theirs);
  const parts = diffWordsWithSpace(mine, theirs, { maxEditLength: MOST_WORDS });
  if (!parts) return unsplitParts(mine, theirs);
  return parts.map(({ value, added, removed }) => ({
    text: value,
    side: removed ? 'mine' : added ? 'theirs' : 'both',
  }));
}

function unsplitParts(mine: string, theirs: string): Part[] {
  return [
    { text: mine, side: 'mine' },
    { text: theirs, side: 'theirs' },
  ];
}

/** A last line without a line break would differ from the same line with one. */
const withFinalBreak = (text: string) => (text === '' || text.endsWith('\n') ? text : `${text}\n`);
const endsWithBreak = (text: string) => text.endsWith('\n');
const withBreakLike = (text: string, like: string) => (endsWithBreak(like) ? text : text.replace(/\n$/, ''));
