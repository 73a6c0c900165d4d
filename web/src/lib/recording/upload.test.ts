import { SottoError } from '@sotto/client';
import { beforeEach, describe, expect, test, vi } from 'vitest';

vi.mock('../api', () => ({ SottoError }));

import type { PutOptions } from './put-with-progress';
import { failureOf, EntryNotSaved, Upload } from './upload.svelte';

/** One attempt to save, which the test completes. */
type Attempt = PutOptions & { done: (saved: string) => void; failed: (error: unknown) => void };

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
  test('passes through all phases until it is saved', async () => {
    expect(upload.phase).toBe('ready');
    const saved = upload.start();
    expect(upload.phase).toBe('preparing');
    attempts[0]!.onprogress(250, 1000);
    expect([upload.phase, upload.progress]).toEqual(['sending', 0.25]);
    attempts[0]!.onprogress(1000, 1000);
    expect(upload.phase).toBe('finishing');
    attempts[0]!.done('it');
    expect(await saved).toBe('it');
    expect([upload.phase, upload.failure]).toEqual(['saved', null]);
  });

  test('does not start twice at the same time', async () => {
    const first = upload.start();
    expect(await upload.start()).toBeNull();
    expect(attempts).toHaveLength(1);
    attempts[0]!.done('it');
    expect(await first).toBe('it');
  });

  test('that fails gives the reason and can start again', async () => {
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

  test('that is cancelled is ready again, without a failure', async () => {
    const first = upload.start();
    attempts[0]!.onprogress(250, 1000);
    upload.cancel();
    expect(await first).toBeNull();
    expect([upload.phase, upload.failure]).toEqual(['ready', null]);
    // Later progress events are ignored.
    attempts[0]!.onprogress(500, 1000);
    expect(upload.phase).toBe('ready');
  });

  test('cannot be cancelled once all bytes are sent', async () => {
    const saved = upload.start();
    attempts[0]!.onprogress(1000, 1000);
    upload.cancel();
    attempts[0]!.done('it');
    expect(await saved).toBe('it');
  });
});

test('failures are classified by what the user can do', () => {
  const failures = [0, 401, 404, 413, 415, 422, 507, 500, 503].map((status) => failureOf(new SottoError(status, {})));
  expect(failures).toEqual([
    'offline',
    'login',
    'gone',
    'tooLarge',
    'notAudio',
    'notAudio',
    'full',
    'server',
    'server',
  ]);
  expect(failureOf(new EntryNotSaved())).toBe('unsaved');
  expect(failureOf(new Error('anything'))).toBe('server');
});
