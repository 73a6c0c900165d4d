import { describe, expect, test } from 'vitest';

import { pathOf } from './line';
import { loudness } from './loudness';
import { troubleOf } from './microphone';

test('why there is no microphone is told apart', () => {
  const names = ['NotAllowedError', 'SecurityError', 'NotFoundError', 'OverconstrainedError', 'NotReadableError', 'TypeError'];
  const troubles = names.map((name) => troubleOf(new DOMException('', name)));
  expect(troubles).toEqual(['denied', 'denied', 'missing', 'missing', 'busy', 'unknown']);
  expect(troubleOf('anything')).toBe('unknown');
});

test('loudness goes from silence to full scale, by decibels', () => {
  expect([0, 1e-7, 1e-6, 1e-3, 1, 4].map(loudness)).toEqual([0, 0, 0, 0.5, 1, 1]);
});

describe('the line', () => {
  const ends = (path: string) => [...path.matchAll(/([\d.]+) ([\d.]+)(?=C|$)/g)].map(([, x, y]) => [Number(x), Number(y)]);

  test('is flat in silence', () => {
    expect(ends(pathOf([0, 0, 0], 0, 100, 40))).toEqual([[0, 20], [50, 20], [100, 20]]);
  });

  test('swings as high as it is loud, and each wave keeps its side while it moves', () => {
    expect(ends(pathOf([0, 1, 0.5], 0, 100, 40))).toEqual([[0, 20], [50, 1], [100, 29.5]]);
    expect(ends(pathOf([1, 0.5, 0], 1, 100, 40))).toEqual([[0, 1], [50, 29.5], [100, 20]]);
  });
});
