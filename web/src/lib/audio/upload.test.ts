import { SottoError } from '@sotto/client';
import { beforeEach, describe, expect, test, vi } from 'vitest';

vi.mock('../api', () => ({ SottoError }));

import type { Sending } from './transfer';
import { failureOf, Unsaved, Upload } from './upload.svelte';

/** One attempt to keep it, which the test brings to its end. */
type Attempt = Sending & { done: (kept: string) => void; failed: (error: unknown) => void };

let attempts: Attempt[];
let upload: Upload<string>;

beforeEach(() => {
  attempts = [];
  upload = new Upload(
    (sending) =>
      new Promise((done, failed) => {
        sending.signal.addEventListener('abort', () => failed(sending.signal.reason));
        attempts.push({ ...sending, done, failed });
      }),
  );
});

describe('an upload', () => {
  test('goes from being prepared to being kept', async () => {
    expect(upload.phase).toBe('ready');
    const kept = upload.start();
    expect(upload.phase).toBe('preparing');
    attempts[0]!.onprogress(250, 1000);
    expect([upload.phase, upload.progress]).toEqual(['sending', 0.25]);
    attempts[0]!.onprogress(1000, 1000);
    expect(upload.phase).toBe('finishing');
    attempts[0]!.done('it');
    expect(await kept).toBe('it');
    expect([upload.phase, upload.failure]).toEqual(['kept', null]);
  });

  test('runs once at a time', async () => {
    const first = upload.start();
    expect(await upload.start()).toBeNull();
    expect(attempts).toHaveLength(1);
    attempts[0]!.done('it');
    expect(await first).toBe('it');
  });

  test('that failed says why, and begins anew', async () => {
    const first = upload.start();
    attempts[0]!.onprogress(900, 1000);
    attempts[0]!.failed(new SottoError(0, {}));
    expect(await first).toBeNull();
    expect([upload.phase, upload.failure]).toEqual(['failed', 'offline']);
    const second = upload.start();
    expect([upload.phase, upload.failure, upload.progress]).toEqual(['preparing', null, 0]);
    attempts[1]!.done('it');
    expect(await second).toBe('it');
  });

  test('that is cancelled is ready again, and no failure', async () => {
    const first = upload.start();
    attempts[0]!.onprogress(250, 1000);
    upload.cancel();
    expect(await first).toBeNull();
    expect([upload.phase, upload.failure]).toEqual(['ready', null]);
    // What the browser still says of it does not count.
    attempts[0]!.onprogress(500, 1000);
    expect(upload.phase).toBe('ready');
  });

  test('that has left as a whole cannot be called back', async () => {
    const kept = upload.start();
    attempts[0]!.onprogress(1000, 1000);
    upload.cancel();
    attempts[0]!.done('it');
    expect(await kept).toBe('it');
  });
});

test('what a person can do something about is told apart', () => {
  const failures = [0, 401, 404, 413, 415, 422, 507, 500, 503].map((status) => failureOf(new SottoError(status, {})));
  expect(failures).toEqual(['offline', 'login', 'gone', 'tooLarge', 'notAudio', 'notAudio', 'full', 'server', 'server']);
  expect(failureOf(new Unsaved())).toBe('unsaved');
  expect(failureOf(new Error('anything'))).toBe('server');
});
