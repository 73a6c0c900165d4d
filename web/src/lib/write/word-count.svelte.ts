/** The number of words of a text that changes. */

import { WordCounter } from './word-counter';

/** Words are counted when typing pauses for so many ms. */
const COUNT_AFTER = 300;

export class WordCount {
  words = $state(0);
  #counting = new AbortController();
  readonly #counter = new WordCounter();

  /** Counts the words of `text()` after a pause, in place of a count that is planned or under way. */
  update(text: () => string): void {
    this.stop();
    this.#counting = new AbortController();
    const { signal } = this.#counting;
    setTimeout(async () => {
      if (signal.aborted) return;
      const words = await this.#counter.count(text(), signal);
      if (words !== null) this.words = words;
    }, COUNT_AFTER);
  }

  stop(): void {
    this.#counting.abort();
  }
}
