import { readFileSync } from 'node:fs';

import { describe, expect, test, vi } from 'vitest';

vi.mock('../i18n/index.svelte', () => ({ locale: () => 'en', region: () => 'en', t: (key: string) => key }));

import { fileExtension } from '../recording/media-types';
import type { Entry } from '../entries/entry';
import { dayIn } from '../format';
import { entryMarkdown } from './entry-markdown';
import { FileNames } from './file-names';

type Fields = {
  id: string;
  title: string | null;
  content: string;
  tags: string[];
  entry_date: string;
  entry_zone: string;
  created_at: string;
  updated_at: string;
};
type Form = {
  entries: {
    entry: Fields;
    media_type: string | null;
    name: string;
    recording: string | null;
    markdown: string;
  }[];
  names: { day: string; title: string; name: string }[];
  endings: Record<string, string>;
};

/** The server's tests read the same file, so that both archives have the same form. */
const form = JSON.parse(
  readFileSync(new URL('../../../../crates/server/src/handlers/export/form.json', import.meta.url), 'utf8'),
) as Form;

function entry({ id, title, content, tags, ...fields }: Fields): Entry {
  return {
    ...{ id, title, content, truncated: false, revision: 1, secretTagId: null, audio: null },
    tags: tags.map((name) => ({ id: null, name, color: null })),
    ...{ date: fields.entry_date, zone: fields.entry_zone, createdAt: fields.created_at, updatedAt: fields.updated_at },
  };
}

describe("an archive, like the server's,", () => {
  test('has these Markdown files', () => {
    const names = new FileNames();
    for (const { entry: fields, media_type, name, recording, markdown: file } of form.entries) {
      const one = entry(fields);
      expect(names.unique(dayIn(one.date, one.zone).padStart(10, '0'), one.title)).toBe(name);
      expect(entryMarkdown(one, { recording: recording ?? undefined })).toBe(file);
      if (media_type) expect(name + fileExtension(media_type)).toMatch(new RegExp(`/${recording}$`));
    }
  });

  test('has these file names', () => {
    const names = new FileNames();
    expect(form.names.map(({ day, title }) => names.unique(day, title))).toEqual(form.names.map(({ name }) => name));
  });

  test('has these extensions for recordings, also for media types with parameters', () => {
    for (const [type, end] of Object.entries(form.endings)) {
      expect([type, fileExtension(type), fileExtension(`${type};codecs=opus`)]).toEqual([type, end, end]);
    }
  });
});

test('the name of the secret tag is quoted and escaped', () => {
  const file = entryMarkdown(entry(form.entries[0]!.entry), { secretTag: 'a: "b"\n---' });
  expect(file.split('\n')).toContain(String.raw`secret_tag: "a: \"b\"\u000a---"`);
});
