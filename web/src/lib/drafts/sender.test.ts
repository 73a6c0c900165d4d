import { SottoError } from '@sotto/client';
import { beforeEach, describe, expect, test } from 'vitest';

import { Conflict, type Draft, type Entry, type EntryStore } from '../entries/entry';
import { importKey } from './cipher';
import { Drafts } from './drafts';
import { Sender, type Delivery } from './sender';
import { inMemory, type Shelf } from './shelf';
import type { Written } from './written';

const text = (content: string): Written => ({ title: null, content, tags: ['b', 'a'], date: '2026-11-25T22:00:00Z', zone: 'UTC' });

/** A server that keeps the rules of the real one, and does what it is told to before that. */
class Server {
  entries = new Map<string, Entry>();
  saves: Draft[] = [];
  underWay = 0;
  most = 0;
  /** For one save each: fail with this, `late` after having saved. */
  troubles: { error: unknown; late?: boolean }[] = [];

  readonly store = { save: (draft: Draft) => this.#save(draft) } as EntryStore;

  async #save(draft: Draft): Promise<Entry> {
    this.saves.push(draft);
    this.most = Math.max(this.most, ++this.underWay);
    await new Promise((done) => setTimeout(done));
    this.underWay--;
    const trouble = this.troubles.shift();
    if (trouble && !trouble.late) throw trouble.error;
    const entry = this.#put(draft);
    if (trouble) throw trouble.error;
    return entry;
  }

  #put({ id, revision, title, content, tags, date, zone }: Draft): Entry {
    const there = this.entries.get(id);
    if (revision === null ? there !== undefined && there.content !== content : there?.revision !== revision) {
      throw new Conflict(there ?? null);
    }
    const next = revision === null && there ? there.revision : (revision ?? 0) + 1;
    const entry = { id, title, content, date: new Date(date).toISOString(), zone, tags: tags.map((name) => ({ id: name, name, color: null })), revision: next } as Entry;
    this.entries.set(id, entry);
    return entry;
  }
}

const unreachable = new SottoError(0, {});
let now: number;
let shelf: Shelf;
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
  shelf = inMemory();
  key = importKey(crypto.getRandomValues(new Uint8Array(32)));
  drafts = tab();
  sender = senderOf(drafts);
});

function tab(): Drafts {
  return new Drafts(
    { user: () => 'ada', accountKey: () => key, secretKey: () => null, openSecretTags: () => [], now: () => now, announce: () => {} },
    shelf,
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

const write = (content: string, id = '1') => drafts.keep(id, text(content), null);
const phases = () => reports.map(({ phase }) => phase);

describe('a draft goes out', () => {
  test('once, and is done with', async () => {
    await write('hello');
    await sender.send('1');
    expect(phases()).toEqual(['sending', 'sent']);
    expect(server.saves[0]).toMatchObject({ id: '1', revision: null, content: 'hello' });
    expect(await drafts.list()).toEqual([]);
    await sender.send('1');
    expect(server.saves).toHaveLength(1);
  });

  test('one save at a time, the last text last', async () => {
    await write('a');
    const first = sender.send('1');
    await write('ab');
    await Promise.all([first, sender.send('1'), sender.send('1'), sender.send('1')]);
    await write('abc');
    await sender.send('1');
    expect(server.most).toBe(1);
    expect(server.entries.get('1')).toMatchObject({ content: 'abc' });
    expect(server.entries.size).toBe(1);
    expect(phases()).not.toContain('conflict');
  });

  test('an empty page is not sent', async () => {
    await write(' \n');
    await sender.send('1');
    expect(server.saves).toEqual([]);
  });

  test('half characters and NUL do not keep it from being stored', async () => {
    await drafts.keep('1', { ...text('a\0b\ud83dc🙂'), title: '  ' }, null);
    await sender.send('1');
    expect(server.saves[0]).toMatchObject({ content: 'ab\ufffdc🙂', title: null });
    expect(phases()).toEqual(['sending', 'sent']);
  });
});

describe('an answer that got lost', () => {
  test('makes no second entry and no conflict, even if the text went on', async () => {
    server.troubles = [{ error: unreachable, late: true }, { error: unreachable }];
    await write('one');
    await sender.send('1');
    await write('one two');
    await sender.send('1');
    await write('one two three');
    await sender.send('1');
    expect(phases().at(-1)).toBe('sent');
    expect([...server.entries.values()]).toMatchObject([{ content: 'one two three', revision: 2 }]);
  });

  test('of a change is no conflict either', async () => {
    await write('one');
    await sender.send('1');
    server.troubles = [{ error: unreachable, late: true }];
    await write('two');
    await sender.send('1');
    await sender.send('1');
    expect(phases().at(-1)).toBe('sent');
    expect(server.entries.get('1')).toMatchObject({ content: 'two', revision: 2 });
  });
});

describe('a server in trouble', () => {
  test('is asked again, later and later', async () => {
    server.troubles = Array.from({ length: 7 }, () => ({ error: new SottoError(500, {}) }));
    await write('wait');
    await sender.send('1');
    const delays: number[] = [];
    while (timers.length > 0) {
      const [timer] = timers.splice(0);
      delays.push(timer!.at - now);
      now = timer!.at;
      timer!.run();
      await expect.poll(() => server.underWay === 0 && (timers.length > 0 || phases().at(-1) === 'sent')).toBe(true);
    }
    expect(delays).toEqual([2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    expect(server.entries.get('1')).toMatchObject({ content: 'wait' });
  });

  test('is left alone as long as it asks for', async () => {
    server.troubles = [{ error: new SottoError(503, {}, 90) }];
    await write('wait');
    await sender.send('1');
    expect(reports.at(-1)).toMatchObject({ phase: 'waiting', until: now + 90_000 });
  });

  test('what it refuses is not sent again by itself, and stays', async () => {
    for (const status of [413, 422, 507]) {
      server.troubles = [{ error: new SottoError(status, {}) }];
      await write('no');
      await sender.send('1');
      expect(reports.at(-1)).toMatchObject({ phase: 'refused', error: { status } });
      expect(timers).toEqual([]);
      expect(await drafts.list()).toHaveLength(1);
    }
  });

  test('without a login it waits for one', async () => {
    server.troubles = [{ error: new SottoError(401, {}) }];
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

describe('somebody else', () => {
  test('changed the entry: both versions are there, and nothing is sent until it is decided', async () => {
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
    expect(await drafts.read('1')).toMatchObject({ kept: { written: { content: 'mine, still longer' } }, base: { other: { revision: 2 } } });
  });

  test('recorded something, and left the text as it was: that is no conflict', async () => {
    await write('mine');
    await sender.send('1');
    server.entries.set('1', { ...server.entries.get('1')!, revision: 5 });
    await write('mine, longer');
    await sender.send('1');
    expect(phases()).not.toContain('conflict');
    expect(server.entries.get('1')).toMatchObject({ content: 'mine, longer', revision: 6 });
  });

  test('deleted it', async () => {
    await write('mine');
    await sender.send('1');
    server.entries.delete('1');
    await write('mine, longer');
    await sender.send('1');
    expect(reports.at(-1)).toEqual({ phase: 'conflict', other: null });
  });

  test('hid it, so that its id is taken and it cannot be seen', async () => {
    await write('mine');
    server.troubles = [{ error: new SottoError(409, { code: 'id_taken' }) }];
    await sender.send('1');
    expect(reports.at(-1)).toEqual({ phase: 'conflict', other: null });
    expect(await drafts.read('1')).toMatchObject({ kept: { written: { content: 'mine' } } });
  });

  test('wrote the very same', async () => {
    await write('one');
    await sender.send('1');
    server.entries.set('1', { ...server.entries.get('1')!, content: 'two', revision: 2 });
    await write('two');
    await sender.send('1');
    expect(phases().at(-1)).toBe('sent');
    expect((await drafts.read('1'))!.base.revision).toBe(2);
  });
});

describe('what was left behind', () => {
  test('goes out together, but what another tab is writing now is left to it', async () => {
    await write('one', '1');
    await write('two', '2');
    const later = senderOf(tab());
    await later.sendAll();
    expect(server.saves).toEqual([]);
    expect(timers.map(({ at }) => at - now)).toEqual([30_000, 30_000]);
    now += 30_000;
    await later.sendAll();
    expect([...server.entries.keys()].sort()).toEqual(['1', '2']);
  });

  test('goes out at once where nobody else is at it', async () => {
    await write('one', '1');
    await write('two', '2');
    await senderOf(tab()).sendAll(({ id }) => id === '1');
    expect([...server.entries.keys()]).toEqual(['1']);
    expect(timers).toHaveLength(1);
  });

  test('can be thrown away until the server has it', async () => {
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
