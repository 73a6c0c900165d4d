import { expect, test } from 'vitest';

import { judge } from './strength';

test('six random words are strong, a word and what one knows of the person are weak', async () => {
  expect((await judge('violet harbour lantern sixty gravel oboe', 'en', [])).level).toBe('strong');
  expect((await judge('monkey', 'en', [])).level).toBe('weak');
  expect((await judge('Donnerstag', 'de', [])).level).toBe('weak');
  const known = await judge('ada.lovelace', 'en', ['ada.lovelace']);
  expect(known.level).toBe('weak');
  expect(known.magnitude).toBeLessThan((await judge('ada.lovelace', 'en', [])).magnitude);
});

test('advice is in the language that was asked for', async () => {
  expect((await judge('abcabcabc', 'en', [])).advice.join(' ')).toMatch(/repeated/i);
  expect((await judge('abcabcabc', 'de', [])).advice.join(' ')).toMatch(/wiederhol/i);
  expect((await judge('x'.repeat(1024), 'en', [])).level).toBe('weak');
});
