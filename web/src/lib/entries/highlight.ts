/** Finds search words in a text with the same rules as the server: by the start of words, in any case. */

/** A part of a text; `hit` parts are highlighted. */
export type Piece = { text: string; hit: boolean };

/** A word, as the server defines it: letters, digits and their marks. */
const WORD = /[\p{L}\p{M}\p{N}\p{Co}]+/gu;
/** The server compares at most so many words, and so many characters of each. */
const WORDS = 16;
const LENGTH = 21;

/** Splits a query into search words. */
export function searchWords(query: string): string[] {
  const words = query.match(WORD)?.filter((word) => /[\p{L}\p{N}]/u.test(word)) ?? [];
  return words.slice(0, WORDS).map((word) => [...fold(word)].slice(0, LENGTH).join(''));
}

/** Splits a text into hits and the parts between them. */
export function highlight(text: string, words: readonly string[]): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const [start, length] of hits(text, words)) {
    if (start > end) pieces.push({ text: text.slice(end, start), hit: false });
    pieces.push({ text: text.slice(start, start + length), hit: true });
    end = start + length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end), hit: false });
  return pieces;
}

/** Returns at most so many characters of the text, around the first hit if there is one. */
export function excerpt(text: string, words: readonly string[], atMost: number): string {
  if (text.length <= atMost) return text;
  const [start = 0] = hits(text, words).next().value ?? [];
  // Starts some words before the hit, for context.
  const from = start < atMost / 2 ? 0 : text.lastIndexOf(' ', start - Math.floor(atMost / 4)) + 1;
  const part = text.slice(from, from + atMost);
  const reachesEnd = from + atMost >= text.length;
  return (from > 0 ? '… ' : '') + (reachesEnd ? part : `${part.replace(/\s+\S*$/, '')} …`);
}

function* hits(text: string, words: readonly string[]): Generator<[start: number, length: number], undefined> {
  if (words.length === 0) return;
  for (const { 0: word, index } of text.matchAll(WORD)) {
    const folded = fold(word);
    const lengths = words.filter((start) => folded.startsWith(start)).map((start) => start.length);
    // If folding has changed the length, the whole word is highlighted.
    if (lengths.length > 0) yield [index, folded.length === word.length ? Math.max(...lengths) : word.length];
  }
}

function fold(word: string): string {
  return word.normalize('NFC').toLowerCase();
}
