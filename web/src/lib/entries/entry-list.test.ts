// @vitest-environment jsdom
import { describe, expect, test } from 'vitest';

import { SottoError } from '../api';
import { newestFirst, type Entry, type EntryPage, type EntryStore } from './entry';
import { EntryList } from './entry-list.svelte';
import { neighbours } from './neighbours';

const PAGE = 3;

function entry(id: string, date: string, more: Partial<Entry> = {}): Entry {
  const times = { createdAt: date, updatedAt: date };
  return {
    id,
    date,
    zone: 'UTC',
    title: null,
    content: id,
    truncated: false,
    tags: [],
    secretTagId: null,
    revision: 1,
    audio: null,
    ...times,
    ...more,
  };
}

/** An entry store in memory, which fails with `fault` if it is set. */
class MemoryStore implements EntryStore {
  fault: Error | null = null;
  requests = 0;

  constructor(public entries: Entry[]) {}

  async page(query: { from?: string; to?: string }, cursor = '0'): Promise<EntryPage> {
    this.requests++;
    if (this.fault) throw this.fault;
    const day = ({ date }: Entry) => date.slice(0, 10);
    const all = this.entries
      .filter((one) => (!query.from || day(one) >= query.from) && (!query.to || day(one) <= query.to))
      .sort(newestFirst);
    const from = Number(cursor);
    return { entries: all.slice(from, from + PAGE), next: from + PAGE < all.length ? String(from + PAGE) : undefined };
  }

  async get(id: string): Promise<Entry> {
    const found = this.entries.find((one) => one.id === id);
    if (!found) throw new SottoError(404, { title: 'Not Found', detail: 'Journal entry not found' } as never);
    return found;
  }

  save(): never {
    throw new Error('nothing is saved here');
  }

  remove(): never {
    throw new Error('nothing is removed here');
  }
}

const days = (...dates: string[]) => dates.map((date, index) => entry(`e${index}`, `${date}T12:00:00Z`));
const ids = (list: EntryList) => list.entries.map(({ id }) => id);
const shape = (list: EntryList) =>
  list.rows.map((row) =>
    row.kind === 'month' ? row.month : `${row.firstOfDay ? row.day.slice(8) : '  '} ${row.entry.id}`,
  );

describe('a list', () => {
  test('loads page by page, grouped by month, with each day shown once', async () => {
    const list = new EntryList(
      new MemoryStore(days('2026-11-25', '2026-11-25', '2026-11-24', '2026-11-24', '2025-11-24')),
    );
    expect(list.state).toBe('more');
    await list.more();
    expect(shape(list)).toEqual(['2026-11', '25 e1', '   e0', '24 e3']);
    await list.more();
    expect(shape(list)).toEqual(['2026-11', '25 e1', '   e0', '24 e3', '   e2', '2025-11', '24 e4']);
    expect(list.state).toBe('all');
    expect(new Set(list.rows.map(({ key }) => key)).size).toBe(list.rows.length);
  });

  test('shows the day in the time zone of the entry', async () => {
    const late = entry('tokyo', '2026-11-30T16:00:00Z', { zone: 'Asia/Tokyo' });
    const list = new EntryList(new MemoryStore([late, entry('utc', '2026-11-30T15:00:00Z')]));
    await list.more();
    expect(shape(list)).toEqual(['2026-12', '01 tokyo', '2026-11', '30 utc']);
  });

  test('sends one request for simultaneous calls', async () => {
    const store = new MemoryStore(days('2026-11-25', '2026-11-24', '2026-11-23', '2026-11-22'));
    const list = new EntryList(store);
    await Promise.all([list.more(), list.more(), list.more()]);
    expect(store.requests).toBe(1);
    await list.more();
    await list.more();
    expect(store.requests).toBe(2);
  });

  test('reports an error, stops loading, and continues from there on a retry', async () => {
    const store = new MemoryStore(days('2026-11-25', '2026-11-24', '2026-11-23', '2026-11-22'));
    const list = new EntryList(store);
    await list.more();
    store.fault = new SottoError(500, { title: 'Internal Server Error' } as never);
    await list.more();
    expect([list.state, list.error]).toEqual(['failed', store.fault]);
    await list.more();
    expect(store.requests).toBe(2);
    expect(ids(list)).toHaveLength(3);
    store.fault = null;
    await list.retry();
    expect([list.state, ids(list)]).toEqual(['all', ['e0', 'e1', 'e2', 'e3']]);
  });

  test('is empty only after the first response', async () => {
    const list = new EntryList(new MemoryStore([]));
    expect(list.empty).toBe(false);
    await list.more();
    expect(list.empty).toBe(true);
  });

  test('ignores responses after a stop, and can be resumed', async () => {
    const list = new EntryList(new MemoryStore(days('2026-11-25')));
    const loading = list.more();
    list.stop();
    await loading;
    expect(list.rows).toEqual([]);
    list.resume();
    await list.more();
    expect(ids(list)).toEqual(['e0']);
  });

  test('ignores a response from before the stop after it is resumed', async () => {
    const store = new MemoryStore(days('2026-11-25'));
    const responses: { arrive: () => void; fail: (error: unknown) => void }[] = [];
    const page = store.page.bind(store);
    store.page = (...request) =>
      new Promise((resolve, fail) => responses.push({ arrive: () => resolve(page(...request)), fail }));
    const list = new EntryList(store);
    const before = [list.more()];
    list.stop();
    list.resume();
    before.push(list.more());
    responses[0]!.fail(new DOMException('broken off', 'AbortError'));
    await before[0];
    expect([list.state, list.error]).toEqual(['loading', undefined]);
    responses[1]!.arrive();
    await before[1];
    expect([list.state, ids(list)]).toEqual(['all', ['e0']]);
  });

  test('continues after a stop during a request', async () => {
    const list = new EntryList(new MemoryStore(days('2026-11-25')));
    void list.more();
    list.stop();
    expect(list.state).toBe('more');
    list.resume();
    await list.more();
    expect(list.state).toBe('all');
  });

  test('shows an entry once, even if its date changes during scrolling', async () => {
    const store = new MemoryStore(days('2026-11-25', '2026-11-24', '2026-11-23', '2026-11-22'));
    const list = new EntryList(store);
    await list.more();
    store.entries = days('2026-11-20', '2026-11-24', '2026-11-23', '2026-11-22');
    await list.more();
    expect(ids(list).filter((id) => id === 'e0')).toHaveLength(1);
  });

  test('is refreshed after changes', async () => {
    const store = new MemoryStore(days('2026-11-25', '2026-11-24', '2026-11-23', '2026-11-22', '2026-11-21'));
    const list = new EntryList(store);
    await list.more();
    store.entries = [
      entry('e0', '2026-11-25T12:00:00Z', { title: 'changed' }),
      entry('e2', '2026-11-26T12:00:00Z'),
      entry('e3', '2026-11-22T12:00:00Z'),
      entry('e4', '2026-11-21T12:00:00Z'),
      entry('new', '2026-11-24T18:00:00Z'),
      entry('old', '2020-01-01T12:00:00Z'),
    ];
    await list.refresh(['e0', 'e1', 'e2', 'new', 'old']);
    // Entries below the loaded part come with a later page.
    expect(ids(list)).toEqual(['e2', 'e0', 'new']);
    expect(list.entries[1]!.title).toBe('changed');
  });
});

describe('neighbours', () => {
  const store = new MemoryStore(
    days('2026-11-25', '2026-11-24', '2026-11-24', '2026-11-24', '2026-11-24', '2024-01-01', '2010-06-01'),
  );
  const around = async (id: string) => {
    const { newer, older } = await neighbours(await store.get(id), store);
    return [newer?.id, older?.id];
  };

  test.each([
    ['e0', undefined, 'e4'],
    ['e4', 'e0', 'e3'],
    ['e1', 'e2', 'e5'],
    ['e5', 'e1', 'e6'],
    ['e6', 'e5', undefined],
  ])('of %s are found at any distance', async (id, newer, older) => {
    expect(await around(id)).toEqual([newer, older]);
  });
});
