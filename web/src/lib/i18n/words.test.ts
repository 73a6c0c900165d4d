import { readdirSync, readFileSync } from 'node:fs';

import { describe, expect, expectTypeOf, test } from 'vitest';

import de from './de';
import en from './en';
import type { Key } from './index.svelte';

/** All keys with their texts. The plural forms of a key count as one. */
function flat(texts: object, prefix = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, text] of Object.entries(texts)) {
    const name = prefix + key;
    if (typeof text === 'string') found.set(name.replace(/(_ordinal)?_(zero|one|two|few|many|other)$/, ''), text);
    else for (const [inner, value] of flat(text as object, `${name}.`)) found.set(inner, value);
  }
  return found;
}

const placeholders = (text: string) => [...text.matchAll(/\{\{\s*(\w+)/g)].map((match) => match[1]).sort();

describe('the German texts', () => {
  const english = flat(en);
  const german = flat(de);

  test('have the same keys as the English texts', () => {
    expect([...german.keys()].sort()).toEqual([...english.keys()].sort());
  });

  test('have the same placeholders', () => {
    for (const [key, text] of english) expect([key, placeholders(german.get(key)!)]).toEqual([key, placeholders(text)]);
  });
});

// The type checker runs this test.
test('a key names a text, but no plural form of it', () => {
  expectTypeOf<'common:loading' | 'errors:problem.too_many_attempts'>().toExtend<Key>();
  expectTypeOf<'reminders:everyMonthAt'>().toExtend<Key>();
  expectTypeOf<'reminders:everyMonthAt_ordinal'>().not.toExtend<Key>();
  expectTypeOf<'reminders:everyMonthAt_ordinal_two'>().not.toExtend<Key>();
  expectTypeOf<'read:entries'>().toExtend<Key>();
  expectTypeOf<'read:entries_one'>().not.toExtend<Key>();
  expectTypeOf<'common:unknown'>().not.toExtend<Key>();
});

test('every text is used', () => {
  const root = new URL('../../', import.meta.url);
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(?<!\.test)\.(ts|svelte)$/.test(name),
  );
  const source = files.map((file) => readFileSync(new URL(file, root), 'utf8')).join('\n');
  // A key in the source is either complete, `read:color.red`, or a prefix, `reminders:frequencies.${name}`.
  const whole = new Set([...source.matchAll(/'([a-z]+:[\w.]+)'/g)].map(([, key]) => key));
  const beginnings = [...source.matchAll(/`([a-z]+:[\w.]+)\$\{/g)].map(([, beginning]) => beginning!);
  const unused = Object.entries(en).flatMap(([namespace, texts]) =>
    [...flat(texts, `${namespace}:`).keys()].filter(
      (key) => !whole.has(key) && !beginnings.some((beginning) => key.startsWith(beginning)),
    ),
  );
  expect(unused).toEqual([]);
});
