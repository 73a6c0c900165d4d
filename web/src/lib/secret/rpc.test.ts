import { SottoError } from '@sotto/client';
import { expect, test } from 'vitest';

import { connect } from './rpc';

const here = { double: (value: number) => value * 2, later: async () => 'done' };
const there = {
  refuse(): never {
    throw new SottoError(429, { detail: 'wait', code: 'too_many_attempts', current: { id: '1' } }, 7);
  },
  fail(): never {
    throw Object.assign(new Error('closed'), { name: 'Locked' });
  },
  forever: () => new Promise<void>(() => {}),
};

function pair() {
  const { port1, port2 } = new MessageChannel();
  const one = connect<typeof there>(port1, here);
  const two = connect<typeof here>(port2, there);
  port1.start();
  port2.start();
  return { one, two, close: () => port1.close() };
}

test('both sides call each other', async () => {
  const { two, close } = pair();
  expect(await two.remote.double(21)).toBe(42);
  expect(await two.remote.later()).toBe('done');
  // A promise can resolve to the remote, because the remote has no `then`.
  expect(await Promise.resolve(two.remote).then((remote) => remote.double(1))).toBe(2);
  close();
});

test('server errors keep their class and fields, other errors their name', async () => {
  const { one, close } = pair();
  const refused = await one.remote.refuse().catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(SottoError);
  expect(refused).toMatchObject({
    status: 429,
    code: 'too_many_attempts',
    message: 'wait',
    retryAfter: 7,
    current: { id: '1' },
  });
  expect(await one.remote.fail().catch((error: Error) => error.name)).toBe('Locked');
  close();
});

test('pending and later calls fail with the error passed to end()', async () => {
  const { one, close } = pair();
  const waiting = one.remote.forever();
  one.end(new Error('ended'));
  await expect(waiting).rejects.toThrow('ended');
  await expect(one.remote.forever()).rejects.toThrow('ended');
  close();
});
