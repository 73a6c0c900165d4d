import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { noteServerTime, serverNow } from './server-clock';

const NOON = Date.parse('2026-11-25T12:00:00Z');

/** A response with this time in its Date header. */
const responseAt = (time: number) => new Response(null, { headers: { date: new Date(time).toUTCString() } });

beforeEach(() => vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout'], now: NOON }));
afterEach(() => void vi.useRealTimers());

test('a wrong device clock does not matter', () => {
  for (const wrong of [-3_600_000, 20 * 60_000, 315_360_000_000]) {
    vi.setSystemTime(NOON + wrong);
    noteServerTime(responseAt(NOON));
    expect(serverNow()).toBe(NOON);
    vi.advanceTimersByTime(60_000);
    expect(serverNow()).toBe(NOON + 60_000);
  }
});

test('setting the device clock back does not slow the server time, and sleep counts', () => {
  noteServerTime(responseAt(NOON));
  vi.advanceTimersByTime(60_000);
  vi.setSystemTime(NOON - 3_600_000);
  expect(serverNow()).toBe(NOON + 60_000);
  vi.setSystemTime(NOON + 3_600_000);
  expect(serverNow()).toBe(NOON + 3_600_000);
});

test('a response without a time changes nothing', () => {
  noteServerTime(responseAt(NOON));
  noteServerTime(new Response(null));
  noteServerTime(new Response(null, { headers: { date: 'noon' } }));
  expect(serverNow()).toBe(NOON);
});
