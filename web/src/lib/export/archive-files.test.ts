import { beforeEach, describe, expect, test, vi } from 'vitest';

vi.mock('../i18n/index.svelte', () => ({
  locale: () => 'en',
  region: () => 'en',
  t: (key: string, values?: object) => `${key} ${JSON.stringify(values)}`,
}));

import type { Entry } from '../entries/entry';
import { archiveFiles, TooMany, type File, type Progress, type Read, type Source, type Tag } from './archive-files';

const DATE = '2026-11-25T10:00:00Z';
const therapy: Tag = { id: 't1', name: 'Therapy' };
const work: Tag = { id: 't2', name: 'Work' };

/** The pages of entries by secret tag. */
let pages: Record<string, Read[][]>;
let lockedTags: Set<string>;
let recordings: Record<string, () => Promise<Blob | null>>;
let check: () => void;
let reports: Progress[];

beforeEach(() => {
  [pages, lockedTags, recordings, reports, check] = [{}, new Set(), {}, [], () => {}];
});

const checkUnlocked = (tag: string) => {
  if (lockedTags.has(tag)) throw Object.assign(new Error('closed'), { name: 'Locked' });
  check();
};
const source: Source = {
  async page(tag, cursor) {
    checkUnlocked(tag);
    const at = Number(cursor ?? 0);
    return { entries: pages[tag]?.[at] ?? [], next: pages[tag]?.[at + 1] && String(at + 1) };
  },
  async recording({ id, secretTagId }) {
    checkUnlocked(secretTagId!);
    return recordings[id]!();
  },
  check: async (tag) => checkUnlocked(tag),
};

function read(id: string, more: Partial<Entry> = {}): Read {
  const sealed = { id, entry_date: more.date ?? DATE, entry_zone: more.zone ?? 'UTC' };
  const entry: Entry = {
    ...{ id, title: id, content: `text of ${id}`, truncated: false, tags: [], revision: 1, audio: null },
    ...{ date: sealed.entry_date, zone: sealed.entry_zone, secretTagId: therapy.id, createdAt: DATE, updatedAt: DATE },
    ...more,
  };
  return { sealed, entry };
}
const spoken = { audio: { url: '', mediaType: null, key: new Uint8Array(32) } };
const undecryptable = (id: string): Read => ({ ...read(id), entry: null });

async function exportFiles(tags: Tag[] = [therapy], most?: number): Promise<File[]> {
  const files = [];
  for await (const file of archiveFiles(tags, source, (progress) => reports.push(progress), most)) files.push(file);
  return files;
}
const names = (files: File[]) => files.map(({ name }) => name);

test('all unlocked entries are exported page by page, under unique names', async () => {
  pages = { t1: [[read('Walk'), read('walk')], [read('Sleep')]], t2: [[read('Walk', { secretTagId: work.id })]] };
  const files = await exportFiles([therapy, work]);
  const day = 'entries/2026/2026-11-25';
  expect(names(files)).toEqual([`${day}-walk.md`, `${day}-walk-2.md`, `${day}-sleep.md`, `${day}-walk-3.md`]);
  expect(files[0]!.input).toContain('secret_tag: "Therapy"');
  expect(files[3]!.input).toContain('secret_tag: "Work"');
  expect(reports.map(({ entries }) => entries)).toEqual([1, 2, 3, 4]);
});

test('a recording is next to its entry, which names it', async () => {
  const sound = new Blob(['sound'], { type: 'audio/webm;codecs=opus' });
  pages = { t1: [[read('a', spoken)]] };
  recordings = { a: async () => sound };
  const [text, recording, ...rest] = await exportFiles();
  expect(text!.input).toContain('recording: "2026-11-25-a.webm"');
  expect([recording!.name, recording!.input, rest]).toEqual(['entries/2026/2026-11-25-a.webm', sound, []]);
  expect(reports.at(-1)).toEqual({ entries: 1, recordings: 1, missing: 0 });
});

describe('an entry or recording that cannot be decrypted', () => {
  test('is listed at the end and does not stop the export', async () => {
    pages = { t1: [[undecryptable('x'), read('a', spoken), read('b')]] };
    recordings = { a: async () => null };
    const files = await exportFiles();
    expect(names(files)).toEqual(['entries/2026/2026-11-25-a.md', 'entries/2026/2026-11-25-b.md', 'missing.txt']);
    expect(files[0]!.input).not.toContain('recording:');
    const lines = (files[2]!.input as string).split('\n');
    expect(lines.filter(Boolean).slice(1)).toEqual([
      'settings:missingEntry {"day":"2026-11-25","id":"x"}',
      'settings:missingRecording {"name":"entries/2026/2026-11-25-a.md"}',
    ]);
    expect(reports.at(-1)).toEqual({ entries: 2, recordings: 0, missing: 2 });
  });

  test('is requested once more if the server is reachable', async () => {
    pages = { t1: [[read('a', spoken), read('b', spoken)]] };
    let tries = 0;
    recordings = {
      a: async () => (++tries === 1 ? Promise.reject(new Error('cut off')) : new Blob(['sound'])),
      b: () => Promise.reject(new Error('cut off each time')),
    };
    expect(names(await exportFiles()).filter((name) => !name.endsWith('.md'))).toEqual([
      'entries/2026/2026-11-25-a',
      'missing.txt',
    ]);
  });

  test('is not reported as missing while the server is unreachable', async () => {
    pages = { t1: [[read('a', spoken)]] };
    recordings = {
      a: () => {
        check = () => {
          throw new Error('the server is away');
        };
        return Promise.reject(new Error('cut off'));
      },
    };
    await expect(exportFiles()).rejects.toThrow('the server is away');
  });
});

test('locking a tag during the export ends it', async () => {
  pages = { t1: [[read('a')], [read('b')]] };
  const files = archiveFiles([therapy], source, () => {});
  expect((await files.next()).value).toMatchObject({ name: 'entries/2026/2026-11-25-a.md' });
  lockedTags.add(therapy.id);
  await expect(files.next()).rejects.toMatchObject({ name: 'Locked' });
});

test('early dates and unknown time zones are exported', async () => {
  pages = { t1: [[read('old', { date: '0001-01-05T10:00:00Z' }), read('far', { zone: 'Mars/Olympus' })]] };
  const files = await exportFiles();
  expect(names(files)).toEqual(['entries/0001/0001-01-05-old.md', 'entries/2026/2026-11-25-far.md']);
  expect(files[0]!.lastModified.getFullYear()).toBe(1980);
});

test('more files than an archive can hold are an error', async () => {
  pages = { t1: [[read('a'), read('b')], [read('c')]] };
  await expect(exportFiles([therapy], 3)).rejects.toThrow(TooMany);
  expect(await exportFiles([therapy], 4)).toHaveLength(3);
});
