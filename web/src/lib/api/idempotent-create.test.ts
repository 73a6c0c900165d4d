import { expect, test } from 'vitest';

import { IdempotentCreate } from './idempotent-create';

test('only a repeated request without a response reuses its idempotency key', async () => {
  const idempotentCreate = new IdempotentCreate();
  const keys: string[] = [];
  const send = (body: unknown, succeeds: boolean) =>
    idempotentCreate.send(body, async (header) => {
      keys.push(header['Idempotency-Key']);
      if (!succeeds) throw new Error('the network went away');
      return 'created';
    });

  await expect(send({ name: 'one' }, false)).rejects.toThrow('the network went away');
  await expect(send({ name: 'one' }, false)).rejects.toThrow('the network went away');
  await expect(send({ name: 'two' }, false)).rejects.toThrow('the network went away');
  expect(await send({ name: 'two' }, true)).toBe('created');
  expect(await send({ name: 'two' }, true)).toBe('created');

  const [first, firstRetry, second, secondRetry, next] = keys;
  expect([firstRetry, secondRetry]).toEqual([first, second]);
  expect(new Set([first, second, next]).size).toBe(3);
});
