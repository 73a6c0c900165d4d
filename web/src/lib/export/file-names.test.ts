import fc from 'fast-check';
import { expect, test } from 'vitest';

import { fileExtension } from '../recording/media-types';
import { FileNames } from './file-names';

/** Titles that would be harmful as names of files, titles that differ only in their form, and any others. */
const title = fc.oneof(
  fc.constantFrom(
    '../../etc/passwd',
    'C:\\Windows',
    '/',
    '..',
    'CON',
    'a.',
    'a ',
    'x'.repeat(500),
    '🌿',
    'a:b|c',
    null,
  ),
  fc.string({
    unit: fc.constantFrom(...'aAäÄ2-', 'a\u0308', 'ﬁ', 'Ａ', 'ß', 'Σ', 'ς', 'ı', 'İ', ' ', '/'),
    maxLength: 4,
  }),
  fc.string({ unit: 'grapheme', maxLength: 200 }),
  fc.string({ unit: 'binary', maxLength: 200 }),
);
const day = fc.constantFrom('0001-01-05', '2026-11-25', '2026-11-26');
const uniqueNames = fc.array(fc.tuple(day, title), { minLength: 1, maxLength: 30 }).map((entries) => {
  const names = new FileNames();
  return entries.map(([day, title]) => ({ day, name: names.unique(day, title) }));
});

test('every name is in the folder of its year, and valid on Windows, macOS and Linux', () => {
  const property = fc.property(uniqueNames, (names) => {
    for (const { day, name } of names) {
      const [entries, year, file = '', ...rest] = name.split('/');
      expect([entries, year, rest]).toEqual(['entries', day.slice(0, 4), []]);
      // A name that starts with its day is neither `..` nor a device of Windows such as CON.
      expect(file.startsWith(day)).toBe(true);
      expect(file).not.toMatch(/[<>:"\\|?*\p{C}\s.]/u);
      expect(Buffer.byteLength(`${file}.webm`)).toBeLessThanOrEqual(143);
    }
  });
  fc.assert(property, { numRuns: 1000 });
});

test('no two names are the same file, even where case and Unicode form do not count', () => {
  const property = fc.property(uniqueNames, (names) => {
    const forms = [
      (name: string) => name,
      (name: string) => name.normalize('NFD').toLowerCase(),
      (name: string) => name.normalize('NFD').toUpperCase(),
      (name: string) =>
        Array.from(name, (letter) => letter.toUpperCase())
          .join('')
          .normalize('NFC'),
    ];
    for (const form of forms) expect(new Set(names.map(({ name }) => form(name))).size).toBe(names.length);
  });
  fc.assert(property, { numRuns: 1000 });
});

test('the extension of a recording is short and plain, whatever its media type', () => {
  const type = fc.oneof(
    fc.string(),
    fc.string().map((subtype) => `audio/${subtype}`),
  );
  const property = fc.property(type, (type) => void expect(fileExtension(type)).toMatch(/^(\.[a-z0-9]{1,5})?$/));
  fc.assert(property);
});
