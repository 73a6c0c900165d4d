import { describe, expect, test } from 'vitest';

import type { Entry } from '../entries/entry';
import { excerpt, DecryptedEntries } from './decrypted-entries';

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
  const opened = new DecryptedEntries();
  for (const one of all) opened.put(one);
  return (query: Parameters<DecryptedEntries['search']>[0]) => opened.search(query).map(({ id }) => id);
}

describe('a search', () => {
  test('matches the beginnings of words, ignoring accents and case', () => {
    const search = entries(entry('a', 'Café crème in Zürich'), entry('b', 'tea', { title: 'Zürich' }));
    expect(search({ q: 'cafe ZUR' })).toEqual(['a']);
    expect(search({ q: 'zuri' }).sort()).toEqual(['a', 'b']);
    expect(search({ q: 'rich' })).toEqual([]);
  });

  test('finds words in languages without spaces', () => {
    expect(entries(entry('a', '今日は雨が降っています'))({ q: '雨' })).toEqual(['a']);
  });

  test("filters by calendar day in the entry's time zone, and by tag", () => {
    const search = entries(
      entry('berlin', 'x', { tags: [{ id: null, name: 'Père', color: null }] }),
      entry('auckland', 'x', { zone: 'Pacific/Auckland' }),
    );
    expect(search({ from: '2026-11-26' })).toEqual(['auckland']);
    expect(search({ to: '2026-11-25' })).toEqual(['berlin']);
    expect(search({ tag: 'pere' })).toEqual(['berlin']);
  });

  test('returns the newest first, with the latest text of each entry', () => {
    const search = entries(
      entry('old', 'walk', { date: '2020-01-01T00:00:00Z' }),
      entry('new', 'walk'),
      entry('old', 'walked far', { date: '2020-01-01T00:00:00Z', revision: 2 }),
    );
    expect(search({ q: 'walk' })).toEqual(['new', 'old']);
    expect(search({ q: 'far' })).toEqual(['old']);
  });
});

test('an excerpt contains the search words and splits no character', () => {
  const long = entry('a', `${'😀'.repeat(400)} needle ${'😀'.repeat(400)}`);
  const shortened = excerpt(long, ['needle']);
  expect(shortened.truncated).toBe(true);
  expect(shortened.content).toContain('needle');
  expect(() => encodeURIComponent(shortened.content)).not.toThrow();
  expect(excerpt(entry('b', 'short'), ['short']).truncated).toBe(false);
});
