import { describe, expect, test } from 'vitest';

import { typeToRecord, typeToSend } from './media-types';

describe('the media type of a recording', () => {
  test("is Opus where supported, MP4 in Safari, and the browser's choice elsewhere", () => {
    expect(typeToRecord(() => true)).toBe('audio/webm;codecs=opus');
    expect(typeToRecord((type) => type.startsWith('audio/ogg'))).toBe('audio/ogg;codecs=opus');
    expect(typeToRecord((type) => type === 'audio/mp4' || type.includes('mp4a'))).toBe('audio/mp4;codecs=mp4a.40.2');
    expect(typeToRecord(() => false)).toBeUndefined();
  });

  test('is sent without parameters, as the server compares it', () => {
    expect(typeToSend('audio/webm;codecs=opus')).toBe('audio/webm');
    expect(typeToSend('Audio/MP4; codecs="mp4a.40.2"')).toBe('audio/mp4');
    for (const unknown of ['', 'audio/x-something', 'text/plain'])
      expect(typeToSend(unknown)).toBe('application/octet-stream');
  });
});
