import { describe, expect, test } from 'vitest';

import { tagNameKey, tagNameRefusal, normalizeTagName } from './tag-names';

describe('tag names', () => {
  test('are normalized to one line in composed Unicode form', () => {
    expect(normalizeTagName('  two \n  words ')).toBe('two words');
    expect(normalizeTagName('Cafe\u0301')).toBe('Caf\u00e9');
  });

  test('that look alike share a key', () => {
    expect(tagNameKey('CAFE\u0301')).toBe(tagNameKey('Café'));
    expect(tagNameKey('\ufb01ne')).toBe('fine');
    expect(tagNameKey('Café')).not.toBe(tagNameKey('cafe'));
  });

  test('are rejected with a reason', () => {
    expect(tagNameRefusal('', [])).toBe('empty');
    expect(tagNameRefusal('ü'.repeat(51), [])).toBe('long');
    expect(tagNameRefusal('CAFÉ', ['café'])).toBe('twice');
    expect(
      tagNameRefusal(
        'one more',
        Array.from({ length: 100 }, (_, n) => `${n}`),
      ),
    ).toBe('many');
    expect(tagNameRefusal('fine', ['other'])).toBeNull();
  });
});
