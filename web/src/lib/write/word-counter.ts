/** Counts the words of a growing text without blocking the page. */

import { countWords } from '../count-words';

/** How many characters are counted before the page can respond to input. */
const STRETCH = 5_000;

/** Counts the words of one text repeatedly. No word crosses the end of a line, so only new lines are counted. */
export class WordCounter {
  #known = new Map<string, number>();

  /** Returns null if the signal is aborted. A long text is counted in parts, so that typing is never blocked. */
  async count(text: string, signal: AbortSignal): Promise<number | null> {
    const known = new Map<string, number>();
    let words = 0;
    let since = 0;
    for (const line of text.split('\n')) {
      let here = known.get(line) ?? this.#known.get(line);
      if (here === undefined) {
        here = countWords(line);
        since += line.length;
      }
      known.set(line, here);
      // Kept even if this count is aborted.
      this.#known.set(line, here);
      words += here;
      if (since > STRETCH) {
        await new Promise((done) => setTimeout(done));
        since = 0;
      }
      if (signal.aborted) return null;
    }
    this.#known = known;
    return words;
  }
}
