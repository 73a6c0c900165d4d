import { countWords } from '../words';

/** Characters that are counted before the page gets its turn. */
const STRETCH = 5_000;

/** Counts the words of one text again and again. No word goes over the end of a line, so only new lines are counted. */
export class WordCounter {
  #known = new Map<string, number>();

  /** null if it was called off. A long text is counted in stretches, so that typing never waits for it. */
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
      // What was counted is worth keeping even if this is called off.
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
