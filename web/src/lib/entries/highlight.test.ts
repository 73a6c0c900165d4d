import { describe, expect, test } from 'vitest';

import { excerpt, highlight, searchWords } from './highlight';

const marked = (text: string, query: string) =>
  highlight(text, searchWords(query))
    .map(({ text: piece, hit }) => (hit ? `[${piece}]` : piece))
    .join('');

describe('words of a search', () => {
  test.each([
    ['Río, the river!', ['río', 'the', 'river']],
    ["it's 2026-11-25", ['it', 's', '2026', '11', '25']],
    ['  … — !', []],
    ['x'.repeat(30), ['x'.repeat(21)]],
    ['naïve', ['naïve']],
  ])('of %j are %j', (query, words) => {
    expect(searchWords(query)).toEqual(words);
  });

  test('are sixteen at most', () => {
    expect(searchWords('a '.repeat(40))).toHaveLength(16);
  });
});

describe('highlights', () => {
  test.each([
    ['The river and the Rivers, driven', 'riv', 'The [riv]er and the [Riv]ers, driven'],
    ['One two three', 'THREE one', '[One] two [three]'],
    ['Straße in ÄRGER', 'ärg STRA', '[Stra]ße in [ÄRG]ER'],
    // Diacritical marks distinguish words, as on the server.
    ['resume résumé', 'resume', '[resume] résumé'],
    ['cafe\u0301 au lait', 'café', '[cafe\u0301] au lait'],
    ['يوم في المدينة', 'المد', 'يوم في [المد]ينة'],
    ['a day 🌊 at sea', 'sea', 'a day 🌊 at [sea]'],
    ['the longest wins', 'l lon longe', 'the [longe]st wins'],
    ['İstanbul', 'i', '[İstanbul]'],
    ['<b>bold</b>', 'b', '<[b]>[b]old</[b]>'],
    ['nothing', '', 'nothing'],
  ])('of %j for %j', (text, query, expected) => {
    expect(marked(text, query)).toBe(expected);
  });

  test('change no letter of the text', () => {
    const text = 'Ein „Text“ mit vielen Wörtern, und vielen mehr — wie immer.';
    expect(
      highlight(text, searchWords('v w m'))
        .map(({ text: piece }) => piece)
        .join(''),
    ).toBe(text);
  });
});

describe('excerpts', () => {
  const text = `${'before '.repeat(100)}the river ${'after '.repeat(100)}`.trim();

  test('are around the first hit', () => {
    const part = excerpt(text, ['river'], 100);
    expect(part).toMatch(/^… before .*the river after .* …$/);
    expect(part.length).toBeLessThanOrEqual(104);
  });

  test('are the beginning if the hit is there, or nowhere', () => {
    expect(excerpt(text, ['before'], 60)).toMatch(/^before .* …$/);
    expect(excerpt(text, ['zebra'], 60)).toMatch(/^before .* …$/);
    expect(excerpt('short', ['river'], 60)).toBe('short');
  });

  test('end where the text ends', () => {
    expect(excerpt(`${'before '.repeat(40)}river`, ['river'], 80)).toMatch(/^… (before )+river$/);
  });
});
