import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { compare, merge, type Part } from './merge';

/** Time limit of a property test in ms, generous because the machine may be busy. */
const GENEROUS = 120_000;

const side = (parts: Part[], wanted: 'mine' | 'theirs') =>
  parts
    .filter(({ side }) => side === 'both' || side === wanted)
    .map(({ text }) => text)
    .join('');

describe('compare', () => {
  test('each side can be rebuilt from the parts', () => {
    const mine = 'one\ntwo three four\nfive\n';
    const theirs = 'one\ntwo drei four\nfive\nsix\n';
    const parts = compare(mine, theirs);
    expect(side(parts, 'mine')).toBe(mine);
    expect(side(parts, 'theirs')).toBe(theirs);
    expect(parts).toContainEqual({ text: 'three', side: 'mine' });
    expect(parts).toContainEqual({ text: 'drei', side: 'theirs' });
    expect(parts).toContainEqual({ text: 'six\n', side: 'theirs' });
  });

  test('a final line break is no difference', () => {
    expect(compare('same', 'same\n').every(({ side }) => side === 'both')).toBe(true);
  });

  test('two unrelated texts of a megabyte are compared as a whole', () => {
    const text = (seed: number) =>
      Array.from(
        { length: 20_000 },
        (_, line) => `${(line * seed) % 99_991} words in a separate line, long enough`,
      ).join('\n');
    const parts = compare(text(7919), text(104_729));
    expect(parts.map(({ side }) => side)).toEqual(['mine', 'theirs']);
  });
});

describe('merge', () => {
  const base = 'Morning.\n\nNoon.\n\nEvening.';

  test('changes in different places are combined', () => {
    const mine = base.replace('Morning.', 'A bright morning.');
    const theirs = base.replace('Evening.', 'A long evening.');
    expect(merge(base, mine, theirs)).toEqual({ text: 'A bright morning.\n\nNoon.\n\nA long evening.', clean: true });
  });

  test('of changes in the same place, both are kept', () => {
    const { text, clean } = merge(base, base.replace('Noon', 'Lunch'), base.replace('Noon', 'Rain'));
    expect(clean).toBe(false);
    expect(text).toBe('Morning.\n\nLunch.\nRain.\n\nEvening.');
  });

  test('without a base version, no text is lost', () => {
    const { text, clean } = merge(null, 'a\nmine', 'a\ntheirs');
    expect(clean).toBe(false);
    expect(text).toBe('a\nmine\ntheirs');
  });

  test('a change among repeated lines never moves to another place', () => {
    const base = 'Monday\nSlept badly.\nTuesday\nSlept badly.\nWednesday';
    const mine = 'Monday\nSlept badly.\nTuesday\nSlept very well.\nWednesday';
    const theirs = 'Monday\nSlept badly.\nWednesday';
    for (const [one, other] of [
      [mine, theirs],
      [theirs, mine],
    ] as const) {
      const { text, clean } = merge(base, one, other);
      expect(clean).toBe(false);
      expect(text).toContain('Slept very well.');
      expect(text).toContain('Tuesday');
    }
  });

  test('a text of many short lines is merged at the changed lines', () => {
    const long = Array.from({ length: 50_000 }, (_, line) => (line % 2 ? '' : `line ${line}`));
    const changed = (at: number) => long.map((line, index) => (index === at ? 'changed' : line)).join('\n');
    const merged = merge(long.join('\n'), changed(30_000), changed(30_040));
    expect(merged.clean).toBe(true);
    expect(merged.text.split('\n').filter((line) => line === 'changed')).toHaveLength(2);
  });
});

/**
 * Texts with few distinct lines. The test knows which line is which, and the merge does not. Two authors change
 * different lines.
 */
describe('merge with repeated lines', () => {
  type Line = { text: string; change: 'keep' | 'delete' | 'replace' | 'insert'; by: 'mine' | 'theirs' };
  const text = fc.constantFrom('', 'Slept badly.', 'Rain.');
  const line: fc.Arbitrary<Line> = fc.oneof(
    fc.record({
      text,
      change: fc.constantFrom('keep', 'keep', 'delete', 'replace', 'insert'),
      by: fc.constant('mine'),
    }),
    // If both authors deleted equal lines, it would be ambiguous whether they meant the same one.
    fc.record({ text, change: fc.constantFrom('keep', 'keep', 'replace', 'insert'), by: fc.constant('theirs') }),
  );

  function apply(all: Line[], who: string | null): string {
    const written = all.flatMap(({ text, change, by }, at) => {
      if (who !== null && by !== who) return [text];
      const added = `${by} ${at}`;
      return { keep: [text], delete: [], replace: [added], insert: [text, added] }[change];
    });
    return written.join('\n') + '\n';
  }

  test(
    'a clean result contains the changes of both',
    () => {
      let clean = 0;
      fc.assert(
        fc.property(fc.array(line, { minLength: 1, maxLength: 12 }), (all) => {
          const base = all.map(({ text }) => text).join('\n') + '\n';
          const merged = merge(base, apply(all, 'mine'), apply(all, 'theirs'));
          if (!merged.clean) return;
          clean++;
          expect(merged.text).toBe(apply(all, null));
        }),
        { numRuns: 2_000 },
      );
      expect(clean).toBeGreaterThan(200);
    },
    GENEROUS,
  );

  test(
    'no new line is lost, and swapping the sides does not matter',
    () => {
      const text = fc.array(fc.constantFrom('', 'a', 'b', 'c', 'd'), { maxLength: 10 }).map((all) => all.join('\n'));
      fc.assert(
        fc.property(text, text, text, (base, mine, theirs) => {
          const merged = merge(base, mine, theirs);
          const swapped = merge(base, theirs, mine);
          expect(swapped.clean).toBe(merged.clean);
          if (merged.clean) expect(swapped.text.trimEnd()).toBe(merged.text.trimEnd());
          for (const version of [mine, theirs]) {
            const added = version.split('\n').filter((line) => line && !base.split('\n').includes(line));
            for (const line of added) expect(merged.text.split('\n')).toContain(line);
          }
        }),
        { numRuns: 500 },
      );
    },
    GENEROUS,
  );

  test('if only one side has changed, the result is that side', () => {
    const text = fc
      .array(fc.constantFrom('', 'a', 'b'), { maxLength: 12 })
      .map((all) => all.map((one) => `${one}\n`).join(''));
    fc.assert(
      fc.property(text, text, (base, changed) => {
        expect(merge(base, changed, base)).toEqual({ text: changed, clean: true });
        expect(merge(base, base, changed)).toEqual({ text: changed, clean: true });
      }),
    );
  });
});
