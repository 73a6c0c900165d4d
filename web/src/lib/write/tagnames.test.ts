import { describe, expect, test } from 'vitest';

import { nameKey, refusal, tagName } from './tagnames';

describe('names of tags', () => {
  test('are one line, composed', () => {
    expect(tagName('  two \n  words ')).toBe('two words');
    expect(tagName('Cafe\u0301')).toBe('Caf\u00e9');
  });

  test('that look alike share a key', () => {
    expect(nameKey('CAFE\u0301')).toBe(nameKey('Café'));
    expect(nameKey('\ufb01ne')).toBe('fine');
    expect(nameKey('Café')).not.toBe(nameKey('cafe'));
  });

  test('are refused for a reason', () => {
    expect(refusal('', [])).toBe('empty');
    expect(refusal('ü'.repeat(51), [])).toBe('long');
    expect(refusal('CAFÉ', ['café'])).toBe('twice');
    expect(refusal('one more', Array.from({ length: 100 }, (_, n) => `${n}`))).toBe('many');
    expect(refusal('fine', ['other'])).toBeNull();
  });
});
