import { describe, expect, test } from 'vitest';

import { compare, merge, type Part } from './merge';

const side = (parts: Part[], wanted: 'mine' | 'theirs') =>
  parts.filter(({ side }) => side === 'both' || side === wanted).map(({ text }) => text).join('');

describe('compare', () => {
  test('each side can be read from the parts', () => {
    const mine = 'one\ntwo three four\nfive\n';
    const theirs = 'one\ntwo drei four\nfive\nsix\n';
    const parts = compare(mine, theirs);
    expect(side(parts, 'mine')).toBe(mine);
    expect(side(parts, 'theirs')).toBe(theirs);
    expect(parts).toContainEqual({ text: 'three', side: 'mine' });
    expect(parts).toContainEqual({ text: 'drei', side: 'theirs' });
    expect(parts).toContainEqual({ text: 'six\n', side: 'theirs' });
  });

  test('an end of line at the very end is no difference', () => {
    expect(compare('same', 'same\n').every(({ side }) => side === 'both')).toBe(true);
  });

  test('two strange texts of a megabyte are compared as a whole', () => {
    const text = (seed: number) => Array.from({ length: 20_000 }, (_, line) => `${(line * seed) % 99_991} words in a line of its own, long enough`).join('\n');
    const parts = compare(text(7919), text(104_729));
    expect(parts.map(({ side }) => side)).toEqual(['mine', 'theirs']);
  });
});

describe('merge', () => {
  const base = 'Morning.\n\nNoon.\n\nEvening.';

  test('changes in different places come together', () => {
    const mine = base.replace('Morning.', 'A bright morning.');
    const theirs = base.replace('Evening.', 'A long evening.');
    expect(merge(base, mine, theirs)).toEqual({ text: 'A bright morning.\n\nNoon.\n\nA long evening.', clean: true });
  });

  test('changes in the same place are both kept', () => {
    const { text, clean } = merge(base, base.replace('Noon', 'Lunch'), base.replace('Noon', 'Rain'));
    expect(clean).toBe(false);
    expect(text).toBe('Morning.\n\nLunch.\nRain.\n\nEvening.');
  });

  test('without a common beginning nothing is left out', () => {
    const { text, clean } = merge(null, 'a\nmine', 'a\ntheirs');
    expect(clean).toBe(false);
    expect(text).toBe('a\nmine\ntheirs');
  });
});
