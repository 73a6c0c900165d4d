/** Where the words of a search stand in a text, found as the server finds them: by how words begin, in any case. */

/** `hit` is shown as one that was looked for. */
export type Piece = { text: string; hit: boolean };

/** Letters, digits, and the marks on them: what the server takes for a word. */
const WORD = /[\p{L}\p{M}\p{N}\p{Co}]+/gu;
/** The server looks at so many words, and at so many characters of each. */
const WORDS = 16;
const LENGTH = 21;

/** The words of a search. */
export function searchWords(query: string): string[] {
  const words = query.match(WORD)?.filter((word) => /[\p{L}\p{N}]/u.test(word)) ?? [];
  return words.slice(0, WORDS).map((word) => [...fold(word)].slice(0, LENGTH).join(''));
}

/** The text in pieces, which say together what it says. */
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

/** At most so many characters of the text, around the first hit if there is one. */
export function excerpt(text: string, words: readonly string[], atMost: number): string {
  if (text.length <= atMost) return text;
  const [start = 0] = hits(text, words).next().value ?? [];
  // Some words before the hit say what it is about.
  const from = start < atMost / 2 ? 0 : text.lastIndexOf(' ', start - Math.floor(atMost / 4)) + 1;
  const part = text.slice(from, from + atMost);
  const whole = from + atMost >= text.length;
  return (from > 0 ? '… ' : '') + (whole ? part : `${part.replace(/\s+\S*$/, '')} …`);
}

function* hits(text: string, words: readonly string[]): Generator<[start: number, length: number]> {
  if (words.length === 0) return;
  for (const { 0: word, index } of text.matchAll(WORD)) {
    const folded = fold(word);
    const lengths = words.filter((begin) => folded.startsWith(begin)).map((begin) => begin.length);
    // Where folding changed the length, how much of the word was meant cannot be told: then it is all of it.
    if (lengths.length > 0) yield [index, folded.length === word.length ? Math.max(...lengths) : word.length];
  }
}

function fold(word: string): string {
  return word.normalize('NFC').toLowerCase();
}
