import { readFileSync } from 'node:fs';

import { describe, expect, test, vi } from 'vitest';

vi.mock('../i18n/index.svelte', () => ({ locale: () => 'en', region: () => 'en', t: (key: string) => key }));

import { ending } from '../audio/media';
import type { Entry } from '../entries/entry';
import { dayIn } from '../format';
import { markdown } from './markdown';
import { Names } from './names';

type Form = {
  entries: { entry: Record<string, any>; media_type: string | null; name: string; recording: string | null; markdown: string }[];
  names: { day: string; title: string; name: string }[];
  endings: Record<string, string>;
};

/** What the server's tests read, too: its archive and ours are of one form. */
const form: Form = JSON.parse(readFileSync(new URL('../../../../crates/server/src/handlers/export/form.json', import.meta.url), 'utf8'));

function entry({ id, title, content, tags, ...fields }: Record<string, any>): Entry {
  return {
    ...{ id, title, content, truncated: false, revision: 1, secretTagId: null, audio: null },
    tags: tags.map((name: string) => ({ id: null, name, color: null })),
    ...{ date: fields.entry_date, zone: fields.entry_zone, createdAt: fields.created_at, updatedAt: fields.updated_at },
  };
}

describe('an archive is as the server makes it', () => {
  test('each Markdown file', () => {
    const names = new Names();
    for (const { entry: fields, media_type, name, recording, markdown: file } of form.entries) {
      const one = entry(fields);
      expect(names.of(dayIn(one.date, one.zone).padStart(10, '0'), one.title)).toBe(name);
      expect(markdown(one, { recording: recording ?? undefined })).toBe(file);
      if (media_type) expect(name + ending(media_type)).toMatch(new RegExp(`/${recording}$`));
    }
  });

  test('each name', () => {
    const names = new Names();
    expect(form.names.map(({ day, title }) => names.of(day, title))).toEqual(form.names.map(({ name }) => name));
  });

  test('the ending of each recording, whatever a browser adds to its type', () => {
    for (const [type, end] of Object.entries(form.endings)) {
      expect([type, ending(type), ending(`${type};codecs=opus`)]).toEqual([type, end, end]);
    }
  });
});

test('what an entry was under is said in quotes too', () => {
  const file = markdown(entry(form.entries[0]!.entry), { secretTag: 'a: "b"\n---' });
  expect(file.split('\n')).toContain(String.raw`secret_tag: "a: \"b\"\u000a---"`);
});
