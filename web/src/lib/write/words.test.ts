import { expect, test } from 'vitest';

import { countWords } from './words';

const count = (text: string) => countWords(text, new AbortController().signal);

test('words are counted as the statistics count them', async () => {
  expect(await count('')).toBe(0);
  expect(await count("It's 5 o'clock — no **more**!")).toBe(5);
  expect(await count('שלום עולם 🙂')).toBe(2);
});

test('no word of a long text is lost at a seam', async () => {
  expect(await count('seven letters here '.repeat(20_000))).toBe(60_000);
});

test('a count can be called off', async () => {
  const controller = new AbortController();
  const counting = countWords('word '.repeat(100_000), controller.signal);
  controller.abort();
  expect(await counting).toBeNull();
});
