import { describe, expect, test, vi } from 'vitest';

const language = vi.hoisted(() => ({ now: 'en' }));
vi.mock('../i18n/index.svelte', () => ({ locale: () => language.now }));

import { clock, size, speed, spoken, typeToRecord, typeToSend } from './media';

describe('what is recorded', () => {
  test('is Opus where there is Opus, MP4 in Safari, and up to the browser elsewhere', () => {
    expect(typeToRecord(() => true)).toBe('audio/webm;codecs=opus');
    expect(typeToRecord((type) => type.startsWith('audio/ogg'))).toBe('audio/ogg;codecs=opus');
    expect(typeToRecord((type) => type === 'audio/mp4' || type.includes('mp4a'))).toBe('audio/mp4;codecs=mp4a.40.2');
    expect(typeToRecord(() => false)).toBeUndefined();
  });

  test('is sent under a name that the server compares, without parameters', () => {
    expect(typeToSend('audio/webm;codecs=opus')).toBe('audio/webm');
    expect(typeToSend('Audio/MP4; codecs="mp4a.40.2"')).toBe('audio/mp4');
    for (const unknown of ['', 'audio/x-something', 'text/plain']) expect(typeToSend(unknown)).toBe('application/octet-stream');
  });
});

test('a clock has hours when there are some', () => {
  expect([0, 7.9, 65, 725, 3723, -1].map(clock)).toEqual(['0:00', '0:07', '1:05', '12:05', '1:02:03', '0:00']);
});

test('lengths and sizes are said in the language of the person', () => {
  language.now = 'en';
  expect([0.4, 1, 65, 3600, 3723].map(spoken)).toEqual(['0 seconds', '1 second', '1 minute, 5 seconds', '1 hour', '1 hour, 2 minutes, 3 seconds']);
  expect([1, 340_000, 1_240_000, 123_400_000].map(size)).toEqual(['1 kB', '340 kB', '1.2 MB', '123 MB']);
  language.now = 'de';
  expect(spoken(65)).toBe('1 Minute, 5 Sekunden');
  expect(size(1_240_000)).toBe('1,2 MB');
  expect(speed(1.5)).toBe('1,5×');
});
