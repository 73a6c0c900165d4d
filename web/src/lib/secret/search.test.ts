import { describe, expect, test } from 'vitest';

import type { Entry } from '../entries/entry';
import { excerpt, OpenedEntries } from './search';

const entry = (id: string, content: string, more: Partial<Entry> = {}): Entry => ({
  id,
  title: null,
  content,
  truncated: false,
  tags: [],
  date: '2026-11-25T22:30:00Z',
  zone: 'Europe/Berlin',
  secretTagId: 'tag',
  revision: 1,
  createdAt: '',
  updatedAt: '',
  audio: null,
  ...more,
});

function entries(...all: Entry[]) {
  const opened = new OpenedEntries();
  for (const one of all) opened.put(one);
  return (query: Parameters<OpenedEntries['search']>[0]) => opened.search(query).map(({ id }) => id);
}

describe('a search', () => {
  test('finds words that begin like each of these, without accents and case', () => {
    const search = entries(entry('a', 'Café crème in Zürich'), entry('b', 'tea', { title: 'Zürich' }));
    expect(search({ q: 'cafe ZUR' })).toEqual(['a']);
    expect(search({ q: 'zuri' }).sort()).toEqual(['a', 'b']);
    expect(search({ q: 'rich' })).toEqual([]);
  });

  test('finds words of languages that write no spaces', () => {
    expect(entries(entry('a', '今日は雨が降っています'))({ q: '雨' })).toEqual(['a']);
  });

  test('goes by calendar days in the zone of the entry, and by tags', () => {
    const search = entries(
      entry('berlin', 'x', { tags: [{ id: null, name: 'Père', color: null }] }),
      entry('auckland', 'x', { zone: 'Pacific/Auckland' }),
    );
    expect(search({ from: '2026-11-26' })).toEqual(['auckland']);
    expect(search({ to: '2026-11-25' })).toEqual(['berlin']);
    expect(search({ tag: 'pere' })).toEqual(['berlin']);
  });

  test('answers newest first, and the latest text of each', () => {
    const search = entries(
      entry('old', 'walk', { date: '2020-01-01T00:00:00Z' }),
      entry('new', 'walk'),
      entry('old', 'walked far', { date: '2020-01-01T00:00:00Z', revision: 2 }),
    );
    expect(search({ q: 'walk' })).toEqual(['new', 'old']);
    expect(search({ q: 'far' })).toEqual(['old']);
  });
});

test('a result shows the part with the words, in whole characters', () => {
  const long = entry('a', `${'😀'.repeat(400)} needle ${'😀'.repeat(400)}`);
  const shown = excerpt(long, ['needle']);
  expect(shown.truncated).toBe(true);
  expect(shown.content).toContain('needle');
  expect(() => encodeURIComponent(shown.content)).not.toThrow();
  expect(excerpt(entry('b', 'short'), ['short']).truncated).toBe(false);
});
