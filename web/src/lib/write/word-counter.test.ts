import { expect, test } from 'vitest';

import { WordCounter } from './word-counter';

const never = new AbortController().signal;

test.each([
  ['', 0],
  ["It's 5 o'clock — no **more**!", 5],
  ['שלום עולם 🙂', 2],
  ['one line\nand\n\nanother', 4],
])('counts the words of %j', async (text, words) => {
  expect(await new WordCounter().count(text, never)).toBe(words);
});

test('a changed text is counted again', async () => {
  const counter = new WordCounter();
  const line = 'seven letters here\n';
  expect(await counter.count(line.repeat(1000), never)).toBe(3000);
  expect(await counter.count(`${line.repeat(500)}one more\n${line.repeat(500)}`, never)).toBe(3002);
  expect(await counter.count('one', never)).toBe(1);
});

test('a count can be cancelled', async () => {
  const controller = new AbortController();
  const text = Array.from({ length: 2000 }, (_, line) => `word ${line}`).join('\n');
  const counting = new WordCounter().count(text, controller.signal);
  controller.abort();
  expect(await counting).toBeNull();
});
