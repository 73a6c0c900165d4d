import { expect, test } from 'vitest';

import { plainText } from './plain-text';

test.each([
  ['# A day\n\nIt *rained* and **rained**.', 'A day It rained and rained.'],
  ['- [x] milk\n- [ ] bread\n1. first', 'milk · bread · first'],
  ['Buy:\n\n- milk\n  * oats', 'Buy: milk · oats'],
  ['> quoted\n> twice', 'quoted twice'],
  ['[the sea](https://example.org/a "b") and ![a cat](cat.png)', 'the sea and a cat'],
  ['```js\nlet a = `b`;\n```', 'let a = b;'],
  ['one\n\n---\n\ntwo', 'one two'],
  ['| a | b |\n|---|:-:|\n| 1 | 2 |', '| a | b | | 1 | 2 |'],
  ['2 * 3 * 4 and snake_case_name', '2 * 3 * 4 and snake_case_name'],
  ['\\*as it is\\*', '*as it is*'],
  ['يوم *جميل* 🌊', 'يوم جميل 🌊'],
  ['', ''],
])('%j becomes %j', (markdown, words) => {
  expect(plainText(markdown)).toBe(words);
});

test('a long text is truncated between words', () => {
  expect(plainText('a day at the sea', 8)).toBe('a day …');
  expect(plainText('word '.repeat(200_000), 20)).toBe('word word word word …');
});
