import { expect, test } from 'vitest';

import { promptOf } from '.';
import de from './de';
import en from './en';

test('both languages have the same number of prompts, without duplicates', () => {
  expect(de).toHaveLength(en.length);
  for (const prompts of [de, en]) expect(new Set(prompts).size).toBe(prompts.length);
});

test('consecutive days have different prompts, also before 1970', async () => {
  expect(await promptOf('2026-11-25', 'en')).not.toBe(await promptOf('2026-11-26', 'en'));
  expect(en).toContain(await promptOf('1969-12-31', 'en'));
  expect(de.indexOf(await promptOf('2026-11-25', 'de'))).toBe(en.indexOf(await promptOf('2026-11-25', 'en')));
});
