const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' });

/** Words by Unicode Standard Annex #29, as the server counts them for the statistics. */
export function countWords(text: string): number {
  let words = 0;
  for (const { isWordLike } of segmenter.segment(text)) if (isWordLike) words++;
  return words;
}
