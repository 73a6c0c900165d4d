/**
 * The sign-out of this device. It counts at once, and reaches the server when it can: a mark in localStorage says that
 * it is due, also after a restart of the app. While it is due, the app shows nothing of the account, and sends no
 * request before the sign-out.
 */

import { SottoError, unwrap } from '@sotto/client';

import { recall, remember } from '../device.svelte';
import { exclusive } from '../exclusive';

const MARK = 'sotto.sign-out';
/** How long the server may take to respond, in ms. */
const LIMIT = 5_000;
/** The time between two attempts, in ms, unless the server names a longer one. */
const RETRY_AFTER = 10_000;

/** Counts the changes of the mark, so that pages follow it. */
let changes = $state(0);
/** Where storage is forbidden, the mark lasts as long as the page. */
let unstored = false;
/** The last requests of this tab are being sent, for which the sign-out waits. */
let finishing = false;
let sending: Promise<void> | null = null;

export const signOutMark = {
  /** Whether the server does not know of the last sign-out yet. */
  get due(): boolean {
    void changes;
    return unstored || recall(MARK) !== null;
  },
  set(): void {
    remember(MARK, 'due');
    unstored = recall(MARK) === null;
    changes++;
  },
  /** Follows a change in another tab. Returns whether that tab has begun to sign out. */
  follow({ key, newValue }: StorageEvent): boolean {
    if (key !== MARK) return false;
    changes++;
    return newValue !== null;
  },
};

/**
 * Sends a sign-out that is due: once, over all tabs. `last` runs before it, and can still send requests; what fails
 * there is not tried again.
 *
 * @throws SottoError if the server is unreachable or refuses. The sign-out stays due.
 */
export async function sendSignOut(last?: () => Promise<void>): Promise<void> {
  if (last) finishing = true;
  await exclusive(MARK, async () => {
    await last?.()
      .catch(() => {})
      .finally(() => (finishing = false));
    // Another tab may have sent it.
    if (!signOutMark.due) return;
    // It needs no valid access token, and so no renewal: the refresh token in the cookie is enough.
    const call = fetch('/api/auth/logout', { method: 'POST', signal: AbortSignal.timeout(LIMIT) });
    const read = (response: Response): Promise<unknown> => response.json().catch(() => null);
    await unwrap(call.then(async (response) => ({ response, error: await read(response) })));
    remember(MARK, null);
    unstored = false;
    changes++;
  });
}

/** Has to be awaited before each request: sends a sign-out that is due. @throws SottoError */
export async function afterSignOut(): Promise<void> {
  if (!finishing && signOutMark.due) await sendOnce();
}

/** Sends a sign-out that is due, and tries again until the server has it. */
export async function retrySignOut(): Promise<void> {
  while (signOutMark.due) {
    try {
      await sendOnce();
    } catch (error) {
      const seconds = error instanceof SottoError ? (error.retryAfter ?? 0) : 0;
      await networkReturns(Math.max(RETRY_AFTER, seconds * 1000));
    }
  }
}

/** One attempt for all requests that wait. */
function sendOnce(): Promise<void> {
  sending ??= sendSignOut().finally(() => (sending = null));
  return sending;
}

/** Waits until the browser reports a network, at most so many ms. */
function networkReturns(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener('online', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener('online', done);
  });
}
