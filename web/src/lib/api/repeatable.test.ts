import { expect, test } from 'vitest';

import { Repeatable } from './repeatable';

test('only a repeated request without a response reuses its idempotency key', async () => {
  const repeatable = new Repeatable();
  const keys: string[] = [];
  const send = (body: unknown, works: boolean) =>
    repeatable.create(body, async (header) => {
      keys.push(header['Idempotency-Key']);
      if (!works) throw new Error('the network went away');
      return 'made';
    });

  await expect(send({ name: 'one' }, false)).rejects.toThrow('the network went away');
  await expect(send({ name: 'one' }, false)).rejects.toThrow('the network went away');
  await expect(send({ name: 'two' }, false)).rejects.toThrow('the network went away');
  expect(await send({ name: 'two' }, true)).toBe('made');
  expect(await send({ name: 'two' }, true)).toBe('made');

  const [first, firstRetry, second, secondRetry, next] = keys;
  expect([firstRetry, secondRetry]).toEqual([first, second]);
  expect(new Set([first, second, next]).size).toBe(3);
});
