import { expect, test } from 'vitest';

import { heatScale } from './heat';
import { monthOf, sums, yearOf } from './sums';

test("an empty day has no heat, and the scale follows the user's own amounts", () => {
  const heat = heatScale(Array.from({ length: 100 }, (_, index) => index + 1));
  expect([0, 1, 25, 26, 50, 51, 75, 76, 100].map(heat)).toEqual([0, 1, 1, 2, 2, 3, 3, 4, 4]);
});

test('a scale of only a few days uses the fixed steps', () => {
  expect([0, 5, 500].map(heatScale([5, 500]))).toEqual([0, 3, 3]);
  expect(heatScale([])(0)).toBe(0);
});

test('equal days have equal heat', () => {
  expect(new Set([100, 100, 100].map(heatScale(Array(20).fill(100)))).size).toBe(1);
});

test('days are summed by month and by year', () => {
  const days = [
    { date: '2025-12-31', entries: 1, words: 10 },
    { date: '2026-01-01', entries: 2, words: 20 },
    { date: '2026-01-31', entries: 3, words: 30 },
  ];
  expect([...sums(days, monthOf)]).toEqual([
    ['2025-12', { entries: 1, words: 10 }],
    ['2026-01', { entries: 5, words: 50 }],
  ]);
  expect([...sums(days, yearOf).keys()]).toEqual([2025, 2026]);
});
