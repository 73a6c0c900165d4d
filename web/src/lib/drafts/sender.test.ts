import { SottoError } from '@sotto/client';
import { beforeEach, describe, expect, test } from 'vitest';

import { Conflict, type Draft, type Entry, type EntryStore } from '../entries/entry';
import { importKey } from './cipher';
import { Drafts } from './drafts';
import { Sender, type Delivery } from './sender';
import { memoryStore, type DraftStore } from './draft-store';
import type { EntryText } from './entry-text';

const text = (content: string): EntryText => ({
  title: null,
  content,
  tags: ['b', 'a'],
  date: '2026-11-25T22:00:00Z',
  zone: 'UTC',
});

/** A server with the revision rules of the real one, which fails on request. */
class Server {
  entries = new Map<string, Entry>();
  saves: Draft[] = [];
  inFlight = 0;
  mostInFlight = 0;
  /** Each one makes one save fail: before saving, or with `late` after it. */
  failures: { error: unknown; late?: boolean }[] = [];

  readonly store = { save: (draft: Draft) => this.#save(draft) } as EntryStore;

  async #save(draft: Draft): Promise<Entry> {
    this.saves.push(draft);
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    await new Promise((done) => setTimeout(done));
    this.inFlight--;
    const failure = this.failures.shift();
    if (failure && !failure.late) throw failure.error;
    const entry = this.#put(draft);
    if (failure) throw failure.error;
    return entry;
  }

  #put({ id, revision, title, content, tags, date, zone }: Draft): Entry {
    const existing = this.entries.get(id);
    if (revision === null ? existing !== undefined && existing.content !== content : existing?.revision !== revision) {
      throw new Conflict(existing ?? null);
    }
    const next = revision === null && existing ? existing.revision : (revision ?? 0) + 1;
    const entry = {
      id,
      title,
      content,
      date: new Date(date).toISOString(),
      zone,
      tags: tags.map((name) => ({ id: name, name, color: null })),
      revision: next,
    } as Entry;
    this.entries.set(id, entry);
    return entry;
  }
}

const unreachable = new SottoError(0, {});
let now: number;
let store: DraftStore;
let key: Promise<CryptoKey>;
let server: Server;
let drafts: Drafts;
let sender: Sender;
let reports: Delivery[];
let timers: { at: number; run: () => void }[];
let allowed: boolean;

beforeEach(() => {
  now = 1_000_000;
  server = new Server();
  reports = [];
  timers = [];
  allowed = true;
  store = memoryStore();
  key = importKey(crypto.getRandomValues(new Uint8Array(32)));
  drafts = newDrafts();
  sender = senderOf(drafts);
});

function newDrafts(): Drafts {
  return new Drafts(
    {
      user: () => 'ada',
      accountKey: () => key,
      secretKey: () => null,
      unlockedTagIds: () => [],
      now: () => now,
      announce: () => {},
    },
    store,
  );
}

function senderOf(drafts: Drafts): Sender {
  return new Sender({
    drafts,
    entries: async (tag) => (tag === null ? server.store : null),
    allowed: () => allowed,
    exclusive: (_, run) => run(),
    report: (_, delivery) => void reports.push(delivery),
    now: () => now,
    later(ms, run) {
      const timer = { at: now + ms, run };
      timers.push(timer);
      return () => void (timers = timers.filter((one) => one !== timer));
    },
  });
}

const write = (content: string, id = '1') => drafts.save(id, text(content), null);
const phases = () => reports.map(({ phase }) => phase);

describe('sending a draft', () => {
  test('sends it once and deletes it', async () => {
    await write('hello');
    await sender.send('1');
    expect(phases()).toEqual(['sending', 'sent']);
    expect(server.saves[0]).toMatchObject({ id: '1', revision: null, content: 'hello' });
    expect(await drafts.list()).toEqual([]);
    await sender.send('1');
    expect(server.saves).toHaveLength(1);
  });

  test('sends one save at a time, and the latest text last', async () => {
    await write('a');
    const first = sender.send('1');
    await write('ab');
    await Promise.all([first, sender.send('1'), sender.send('1'), sender.send('1')]);
    await write('abc');
    await sender.send('1');
    expect(server.mostInFlight).toBe(1);
    expect(server.entries.get('1')).toMatchObject({ content: 'abc' });
    expect(server.entries.size).toBe(1);
    expect(phases()).not.toContain('conflict');
  });

  test('skips an empty draft', async () => {
    await write(' \n');
    await sender.send('1');
    expect(server.saves).toEqual([]);
  });

  test('replaces lone surrogates and removes NUL', async () => {
    await drafts.save('1', { ...text('a\0b\ud83dc🙂'), title: '  ' }, null);
    await sender.send('1');
    expect(server.saves[0]).toMatchObject({ content: 'ab\ufffdc🙂', title: null });
    expect(phases()).toEqual(['sending', 'sent']);
  });
});

describe('a lost response', () => {
  test('causes no second entry and no conflict, even after further edits', async () => {
    server.failures = [{ error: unreachable, late: true }, { error: unreachable }];
    await write('one');
    await sender.send('1');
    await write('one two');
    await sender.send('1');
    await write('one two three');
    await sender.send('1');
    expect(phases().at(-1)).toBe('sent');
    expect([...server.entries.values()]).toMatchObject([{ content: 'one two three', revision: 2 }]);
  });

  test('to an edit causes no conflict either', async () => {
    await write('one');
    await sender.send('1');
    server.failures = [{ error: unreachable, late: true }];
    await write('two');
    await sender.send('1');
    await sender.send('1');
    expect(phases().at(-1)).toBe('sent');
    expect(server.entries.get('1')).toMatchObject({ content: 'two', revision: 2 });
  });
});

describe('a failing server', () => {
  test('is retried with growing delays', async () => {
    server.failures = Array.from({ length: 7 }, () => ({ error: new SottoError(500, {}) }));
    await write('wait');
    await sender.send('1');
    const delays: number[] = [];
    while (timers.length > 0) {
      const [timer] = timers.splice(0);
      delays.push(timer!.at - now);
      now = timer!.at;
      timer!.run();
      await expect.poll(() => server.inFlight === 0 && (timers.length > 0 || phases().at(-1) === 'sent')).toBe(true);
    }
    expect(delays).toEqual([2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    expect(server.entries.get('1')).toMatchObject({ content: 'wait' });
  });

  test('is retried only after its Retry-After', async () => {
    server.failures = [{ error: new SottoError(503, {}, 90) }];
    await write('wait');
    await sender.send('1');
    expect(reports.at(-1)).toMatchObject({ phase: 'waiting', until: now + 90_000 });
  });

  test('rejects a draft, which stays and is not retried automatically', async () => {
    for (const status of [413, 422, 507]) {
      server.failures = [{ error: new SottoError(status, {}) }];
      await write('no');
      await sender.send('1');
      expect(reports.at(-1)).toMatchObject({ phase: 'refused', error: { status } });
      expect(timers).toEqual([]);
      expect(await drafts.list()).toHaveLength(1);
    }
  });

  test('gets the draft after the next sign-in if the session has ended', async () => {
    server.failures = [{ error: new SottoError(401, {}) }];
    await write('later');
    await sender.send('1');
    expect(phases().at(-1)).toBe('login');
    allowed = false;
    await sender.sendAll();
    expect(server.saves).toHaveLength(1);
    allowed = true;
    await sender.sendAll();
    expect(phases().at(-1)).toBe('sent');
  });
});

describe('another device', () => {
  test('edited the entry: both versions are kept, and nothing is sent until the user decides', async () => {
    await write('mine');
    await sender.send('1');
    server.entries.set('1', { ...server.entries.get('1')!, content: 'theirs', revision: 2 });
    await write('mine, longer');
    await sender.send('1');
    expect(reports.at(-1)).toMatchObject({ phase: 'conflict', other: { revision: 2, written: { content: 'theirs' } } });
    const saves = server.saves.length;
    await write('mine, still longer');
    await sender.send('1');
    expect(server.saves).toHaveLength(saves);
    expect(await drafts.read('1')).toMatchObject({
      saved: { written: { content: 'mine, still longer' } },
      base: { other: { revision: 2 } },
    });
  });

  test('saved a recording without changing the text: no conflict', async () => {
    await write('mine');
    await sender.send('1');
    server.entries.set('1', { ...server.entries.get('1')!, revision: 5 });
    await write('mine, longer');
    await sender.send('1');
    expect(phases()).not.toContain('conflict');
    expect(server.entries.get('1')).toMatchObject({ content: 'mine, longer', revision: 6 });
  });

  test('deleted the entry: a conflict without another version', async () => {
    await write('mine');
    await sender.send('1');
    server.entries.delete('1');
    await write('mine, longer');
    await sender.send('1');
    expect(reports.at(-1)).toEqual({ phase: 'conflict', other: null });
  });

  test('moved the entry under a secret tag: a conflict without another version', async () => {
    await write('mine');
    server.failures = [{ error: new SottoError(409, { code: 'id_taken' }) }];
    await sender.send('1');
    expect(reports.at(-1)).toEqual({ phase: 'conflict', other: null });
    expect(await drafts.read('1')).toMatchObject({ saved: { written: { content: 'mine' } } });
  });

  test('saved the same text: no conflict', async () => {
    await write('one');
    await sender.send('1');
    server.entries.set('1', { ...server.entries.get('1')!, content: 'two', revision: 2 });
    await write('two');
    await sender.send('1');
    expect(phases().at(-1)).toBe('sent');
    expect((await drafts.read('1'))!.base.revision).toBe(2);
  });
});

describe('drafts of earlier pages', () => {
  test('are all sent, but only when no other tab has edited them recently', async () => {
    await write('one', '1');
    await write('two', '2');
    const later = senderOf(newDrafts());
    await later.sendAll();
    expect(server.saves).toEqual([]);
    expect(timers.map(({ at }) => at - now)).toEqual([30_000, 30_000]);
    now += 30_000;
    await later.sendAll();
    expect([...server.entries.keys()].sort()).toEqual(['1', '2']);
  });

  test('are sent at once where no other tab is writing', async () => {
    await write('one', '1');
    await write('two', '2');
    await senderOf(newDrafts()).sendAll(({ id }) => id === '1');
    expect([...server.entries.keys()]).toEqual(['1']);
    expect(timers).toHaveLength(1);
  });

  test('can be discarded until the server has them', async () => {
    await write('never sent');
    expect(await sender.discard('1')).toBe(true);
    expect(await drafts.list()).toEqual([]);
    await write('sent', '2');
    await sender.send('2');
    await write('sent, changed', '2');
    expect(await sender.discard('2')).toBe(false);
    expect(await drafts.list()).toHaveLength(1);
  });
});
