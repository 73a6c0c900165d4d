import fc from 'fast-check';
import { expect, test } from 'vitest';

import { normalizeTagName, tagNameKey, tagNameRefusal } from './tag-names';

/** Text with letters that have several forms, white space and control characters, or with any characters. */
const typed = fc.oneof(
  fc.string({
    unit: fc.constantFrom(...'aÀİΣßǅ', 'e\u0301', 'ﬁ', 'Å', '¨', ' ', '\u3000', '\n', '\0', '\u0085', '🌿'),
  }),
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
);
const form = fc.constantFrom('NFC', 'NFD', 'NFKC', 'NFKD');

test('a normalized name is one line without white space around it, and stays as it is', () => {
  const property = fc.property(typed, (text) => {
    const name = normalizeTagName(text);
    expect(name).not.toMatch(/[\p{Cc}\u2028\u2029]|^\s|\s$|\s\s/u);
    expect(normalizeTagName(name)).toBe(name);
  });
  fc.assert(property, { numRuns: 2000 });
});

test('a name has the same key in every Unicode form, and so has the key itself', () => {
  const property = fc.property(typed, form, (text, form) => {
    const key = tagNameKey(text);
    expect(tagNameKey(text.normalize(form))).toBe(key);
    expect(tagNameKey(key)).toBe(key);
  });
  fc.assert(property, { numRuns: 2000 });
});

test('a name can be added once, if it is neither empty nor too long', () => {
  const property = fc.property(typed, form, (text, form) => {
    const name = normalizeTagName(text);
    const refusal = tagNameRefusal(name, []);
    if (tagNameKey(name) === '') expect(refusal).toBe('empty');
    else if (Buffer.byteLength(name) > 100) expect(refusal).toBe('long');
    else {
      expect(refusal).toBeNull();
      const again = normalizeTagName(name.normalize(form));
      expect(['twice', 'long']).toContain(tagNameRefusal(again, ['other', name]));
    }
  });
  fc.assert(property, { numRuns: 2000 });
});
