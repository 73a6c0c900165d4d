import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { PALETTE } from './palette';

/** Relative luminance as defined by WCAG 2.2. */
function luminance(color: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

const tokens = readFileSync(new URL('../../styles/tokens.css', import.meta.url), 'utf8');
const backgrounds = ['paper', 'surface', 'raised'].flatMap((name) => {
  const [, light, dark] = new RegExp(`--${name}: light-dark\\((#\\w+), (#\\w+)\\)`).exec(tokens)!;
  return [light!, dark!];
});

describe('tag colours', () => {
  test.each(PALETTE.map(({ color }) => color))('%s has enough contrast on each background', (color) => {
    for (const background of backgrounds) expect(contrast(color, background)).toBeGreaterThanOrEqual(3);
  });

  test('are distinct', () => {
    expect(new Set(PALETTE.map(({ color }) => color)).size).toBe(PALETTE.length);
  });
});
