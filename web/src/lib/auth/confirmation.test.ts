// @vitest-environment jsdom

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { api, SottoError, unwrap } from '../api';
import { Cancelled } from '../cancelled';
import { confirmation, confirmed } from './confirmation.svelte';

/** The sign-in is recent. */
let recent = false;
let received: string[] = [];

const problem = (status: number, body: object) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/problem+json' } });

beforeEach(() => {
  recent = false;
  received = [];
  vi.stubGlobal('fetch', async (request: Request) => {
    const path = new URL(request.url).pathname;
    received.push(`${request.method} ${path.replace(/[^/]{36}$/, '…')}`);
    if (path === '/api/auth/confirm') {
      const { password } = (await request.json()) as { password: string };
      const error = { loc: ['body', 'password'], code: 'wrong_password', msg: 'is wrong' };
      if (password !== 'seven small boats') return problem(422, { errors: [error] });
      recent = true;
      return Response.json({ message: 'Confirmed.' });
    }
    if (!recent) return problem(403, { code: 'confirm_sign_in' });
    return request.method === 'DELETE' ? problem(404, { code: 'not_found' }) : Response.json([]);
  });
});
afterEach(() => vi.unstubAllGlobals());

const sensitive = () => confirmed(() => unwrap(api.GET('/api/users/me/tokens')));
const asked = () => vi.waitFor(() => expect(confirmation.asked).toBe(true));

test('a request of a recent sign-in is made once, and nobody is asked', async () => {
  recent = true;
  expect(await sensitive()).toEqual([]);
  expect(received).toEqual(['GET /api/users/me/tokens']);
});

test('after a confirmation, the request is repeated', async () => {
  const request = sensitive();
  await asked();
  await confirmation.confirm('seven small boats');
  expect(await request).toEqual([]);
  expect(confirmation.asked).toBe(false);
  expect(received).toEqual(['GET /api/users/me/tokens', 'POST /api/auth/confirm', 'GET /api/users/me/tokens']);
});

test('after a wrong password, the question stays', async () => {
  const request = sensitive();
  await asked();
  await expect(confirmation.confirm('seven big boats')).rejects.toBeInstanceOf(SottoError);
  expect(confirmation.asked).toBe(true);
  confirmation.cancel();
  await expect(request).rejects.toBeInstanceOf(Cancelled);
  expect(confirmation.asked).toBe(false);
});

test('several requests wait for one confirmation', async () => {
  const requests = [sensitive(), sensitive()];
  await asked();
  await confirmation.confirm('seven small boats');
  expect(await Promise.all(requests)).toEqual([[], []]);
});

test('another refusal is thrown as it is', async () => {
  const refusal = new SottoError(403, { code: 'no_api_tokens' });
  await expect(confirmed(() => Promise.reject(refusal))).rejects.toBe(refusal);
  expect(confirmation.asked).toBe(false);
});

test('before a download, a confirmation is asked for only if the server would demand it', async () => {
  const ensured = confirmation.ensure();
  await asked();
  await confirmation.confirm('seven small boats');
  await ensured;
  await confirmation.ensure();
  expect(received.filter((line) => line.startsWith('DELETE'))).toEqual(
    Array(3).fill('DELETE /api/users/me/identities/…'),
  );
});
