// @vitest-environment jsdom

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { api, SottoError, unwrap } from '.';
import { recall, remember } from '../device.svelte';
import { session } from '../session.svelte';
import { retrySignOut, sendSignOut, signOutMark } from './sign-out.svelte';

/** What the server has received, in its order. */
let received: string[] = [];
/** How the server responds to the next sign-outs; afterwards it responds with 200. */
let signOuts: (Response | Error)[] = [];

const problem = (status: number, code: string) => Response.json({ detail: 'No.', code }, { status });
const tags = () => unwrap(api.GET('/api/tags/'));

beforeEach(() => {
  received = [];
  signOuts = [];
  vi.stubGlobal('fetch', async (input: Request | string, init?: RequestInit) => {
    const request = typeof input === 'string' ? new Request(new URL(input, location.origin), init) : input;
    const path = new URL(request.url).pathname;
    received.push(`${request.method} ${path}`);
    const answer = path === '/api/auth/logout' ? signOuts.shift() : undefined;
    if (answer instanceof Error) throw answer;
    return answer ?? Response.json([]);
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  localStorage.clear();
});

test('requests are sent at once while no sign-out is due', async () => {
  await tags();
  expect(received).toEqual(['GET /api/tags/']);
});

test('a sign-out that is due goes before all requests, once', async () => {
  signOutMark.set();
  await Promise.all([tags(), tags()]);
  expect(received).toEqual(['POST /api/auth/logout', 'GET /api/tags/', 'GET /api/tags/']);
  expect(signOutMark.due).toBe(false);
});

test('without a network the sign-out stays due, and nothing else is sent', async () => {
  signOutMark.set();
  signOuts = [new TypeError('no network')];
  await expect(tags()).rejects.toMatchObject({ status: 0 });
  expect(received).toEqual(['POST /api/auth/logout']);
  expect(signOutMark.due).toBe(true);
});

test('a request that waits for a refused sign-out reports why', async () => {
  signOutMark.set();
  signOuts = [problem(503, 'busy')];
  await expect(tags()).rejects.toMatchObject({ status: 503, code: 'busy' });
  await expect(tags()).resolves.toEqual([]);
});

test('what this tab still has to send goes before the sign-out, even if it fails', async () => {
  signOutMark.set();
  await sendSignOut(async () => {
    await tags();
    throw new SottoError(500, {});
  });
  expect(received).toEqual(['GET /api/tags/', 'POST /api/auth/logout']);
  expect(signOutMark.due).toBe(false);
});

test('a sign-out that another tab has sent is not sent again', async () => {
  signOutMark.set();
  await sendSignOut(async () => remember('sotto.sign-out', null));
  expect(received).toEqual([]);
});

test('where storage is forbidden, the sign-out is still sent', async () => {
  const forbidden = vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
    throw new DOMException('forbidden', 'SecurityError');
  });
  signOutMark.set();
  forbidden.mockRestore();
  await sendSignOut(async () => {});
  expect(received).toEqual(['POST /api/auth/logout']);
  expect(signOutMark.due).toBe(false);
});

test('the app starts signed out while a sign-out is due, and tells the server when the network is back', async () => {
  vi.useFakeTimers();
  signOutMark.set();
  remember('sotto.user', JSON.stringify({ id: 'ada' }));
  signOuts = [new TypeError('no network'), new TypeError('still none')];
  expect(session.expected).toBe(false);
  await session.start();
  expect(session.state).toBe('out');
  expect(recall('sotto.user')).toBeNull();

  await vi.advanceTimersByTimeAsync(0);
  dispatchEvent(new Event('online'));
  await vi.advanceTimersByTimeAsync(0);
  expect(signOutMark.due).toBe(true);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(signOutMark.due).toBe(false);
  expect(received).toEqual(Array(3).fill('POST /api/auth/logout'));
});

test('an attempt waits as long as the server asks', async () => {
  vi.useFakeTimers();
  signOutMark.set();
  signOuts = [new Response('{}', { status: 429, headers: { 'retry-after': '30' } })];
  const done = retrySignOut();
  await vi.advanceTimersByTimeAsync(29_000);
  expect(signOutMark.due).toBe(true);
  await vi.advanceTimersByTimeAsync(1_000);
  await done;
  expect(signOutMark.due).toBe(false);
});
