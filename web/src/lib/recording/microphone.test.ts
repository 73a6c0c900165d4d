import { describe, expect, test } from 'vitest';

import { waveformPath } from './waveform-path';
import { loudness } from './loudness';
import { problemOf } from './microphone';

test('the reasons for a missing microphone are distinguished', () => {
  const names = [
    'NotAllowedError',
    'SecurityError',
    'NotFoundError',
    'OverconstrainedError',
    'NotReadableError',
    'TypeError',
  ];
  const problems = names.map((name) => problemOf(new DOMException('', name)));
  expect(problems).toEqual(['denied', 'denied', 'missing', 'missing', 'busy', 'unknown']);
  expect(problemOf('anything')).toBe('unknown');
});

test('loudness is a scale in decibels from silence to full scale', () => {
  expect([0, 1e-7, 1e-6, 1e-3, 1, 4].map(loudness)).toEqual([0, 0, 0, 0.5, 1, 1]);
});

describe('the waveform', () => {
  const ends = (path: string) =>
    [...path.matchAll(/([\d.]+) ([\d.]+)(?=C|$)/g)].map(([, x, y]) => [Number(x), Number(y)]);

  test('is flat in silence', () => {
    expect(ends(waveformPath([0, 0, 0], 0, 100, 40))).toEqual([
      [0, 20],
      [50, 20],
      [100, 20],
    ]);
  });

  test('is as high as the loudness, and each wave stays on its side while it moves', () => {
    expect(ends(waveformPath([0, 1, 0.5], 0, 100, 40))).toEqual([
      [0, 20],
      [50, 1],
      [100, 29.5],
    ]);
    expect(ends(waveformPath([1, 0.5, 0], 1, 100, 40))).toEqual([
      [0, 1],
      [50, 29.5],
      [100, 20],
    ]);
  });
});
