/** Counts the words of a text. */

const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' });

/** Words as defined by Unicode Standard Annex #29, like the statistics of the server. */
export function countWords(text: string): number {
  let words = 0;
  for (const { isWordLike } of segmenter.segment(text)) if (isWordLike) words++;
  return words;
}
