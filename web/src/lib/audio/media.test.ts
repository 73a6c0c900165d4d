import { describe, expect, test, vi } from 'vitest';

const language = vi.hoisted(() => ({ now: 'en' }));
vi.mock('../i18n/index.svelte', () => ({ locale: () => language.now }));

import { clock, speed, spoken, typeToRecord, typeToSend } from './media';

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

test('lengths and speeds are said in the language of the person', () => {
  language.now = 'en';
  expect([0.4, 1, 65, 3600, 3723].map(spoken)).toEqual(['0 seconds', '1 second', '1 minute, 5 seconds', '1 hour', '1 hour, 2 minutes, 3 seconds']);
  language.now = 'de';
  expect(spoken(65)).toBe('1 Minute, 5 Sekunden');
  expect(speed(1.5)).toBe('1,5×');
});
