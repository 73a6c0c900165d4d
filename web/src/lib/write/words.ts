/** Words by Unicode Standard Annex #29, as the server counts them for the statistics. */

const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' });
/** Characters that are counted before the page gets its turn. */
const STRETCH = 50_000;

/** null if it was called off. A long text is counted in stretches, so that typing never waits for it. */
export async function countWords(text: string, signal: AbortSignal): Promise<number | null> {
  let words = 0;
  for (let from = 0; from < text.length; ) {
    const to = endOfStretch(text, from);
    for (const { isWordLike } of segmenter.segment(text.slice(from, to))) if (isWordLike) words++;
    from = to;
    if (from < text.length) await new Promise((done) => setTimeout(done));
    if (signal.aborted) return null;
  }
  return words;
}

/** At white space if there is some, so that no word is cut in two. */
function endOfStretch(text: string, from: number): number {
  if (text.length - from <= STRETCH) return text.length;
  const to = from + STRETCH;
  const space = text.slice(to, to + STRETCH).search(/\s/);
  return space < 0 ? Math.min(to + STRETCH, text.length) : to + space;
}
