import { expect, test, vi } from 'vitest';

const language = vi.hoisted(() => ({ now: 'en' }));
vi.mock('../i18n/index.svelte', () => ({ locale: () => language.now }));

import { formatClock, formatSpeed, spokenDuration } from './duration';

test('a clock shows hours only from one hour on', () => {
  expect([0, 7.9, 65, 725, 3723, -1].map(formatClock)).toEqual(['0:00', '0:07', '1:05', '12:05', '1:02:03', '0:00']);
});

test("durations and speeds are in the user's language", () => {
  language.now = 'en';
  expect([0.4, 1, 65, 3600, 3723].map(spokenDuration)).toEqual([
    '0 seconds',
    '1 second',
    '1 minute, 5 seconds',
    '1 hour',
    '1 hour, 2 minutes, 3 seconds',
  ]);
  language.now = 'de';
  expect(spokenDuration(65)).toBe('1 Minute, 5 Sekunden');
  expect(formatSpeed(1.5)).toBe('1,5×');
});
