import { expect, test } from 'vitest';

import { estimateStrength } from './phrase-strength';

test('six random words are strong; a single word or personal data is weak', async () => {
  expect((await estimateStrength('violet harbour lantern sixty gravel oboe', 'en', [])).level).toBe('strong');
  expect((await estimateStrength('monkey', 'en', [])).level).toBe('weak');
  expect((await estimateStrength('Donnerstag', 'de', [])).level).toBe('weak');
  const known = await estimateStrength('ada.lovelace', 'en', ['ada.lovelace']);
  expect(known.level).toBe('weak');
  expect(known.magnitude).toBeLessThan((await estimateStrength('ada.lovelace', 'en', [])).magnitude);
});

test('advice is in the requested language', async () => {
  expect((await estimateStrength('abcabcabc', 'en', [])).advice.join(' ')).toMatch(/repeated/i);
  expect((await estimateStrength('abcabcabc', 'de', [])).advice.join(' ')).toMatch(/wiederhol/i);
  expect((await estimateStrength('ada.lovelace', 'en', ['ada.lovelace'])).advice[0]).toBe(
    'Avoid your name, e-mail or the name of this tag.',
  );
  expect((await estimateStrength('ada.lovelace', 'de', ['ada.lovelace'])).advice[0]).toMatch(
    /^Nimm nicht deinen Namen/,
  );
  expect((await estimateStrength('x'.repeat(1024), 'en', [])).level).toBe('weak');
});
