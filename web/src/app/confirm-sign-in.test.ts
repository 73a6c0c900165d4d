// @vitest-environment jsdom

import { cleanup, render, screen } from '@testing-library/svelte';
import { userEvent } from '@testing-library/user-event';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';

import { startLanguage } from '../lib/i18n/index.svelte';
import { SottoError } from '../lib/api';
import { confirmation, confirmed } from '../lib/auth/confirmation.svelte';
import { Cancelled } from '../lib/cancelled';
import { session, type User } from '../lib/session.svelte';
import { addModalDialogs } from '../lib/ui/testing/dialogs';
import ConfirmSignIn from './ConfirmSignIn.svelte';

const ADA = { id: 'ada', email: 'ada@example.org', has_password: true } as User;
const WRONG = { errors: [{ loc: ['body', 'password'], code: 'wrong_password', msg: 'is wrong' }] };

/** The server's responses by path. */
let responses: Record<string, () => Response> = {};

beforeAll(async () => {
  addModalDialogs();
  await startLanguage();
});
beforeEach(() => {
  vi.stubGlobal('fetch', async (request: Request) => responses[new URL(request.url).pathname]!());
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  localStorage.clear();
});

const button = (name: string) => screen.getByRole('button', { name });
const password = () => screen.getByLabelText<HTMLInputElement>('Password');

/** Makes a request that is refused until the user has confirmed. */
function refusedOnce(): Promise<string> {
  const request = vi
    .fn<() => Promise<string>>()
    .mockRejectedValueOnce(new SottoError(403, { code: 'confirm_sign_in' }));
  return confirmed(request.mockResolvedValue('done'));
}

test('the password confirms the sign-in; a wrong one is reported in its field', async () => {
  session.update(ADA);
  const request = refusedOnce();
  render(ConfirmSignIn);
  responses = { '/api/auth/confirm': () => Response.json(WRONG, { status: 422 }) };
  await userEvent.type(password(), 'seven big boats');
  await userEvent.click(button('Confirm'));
  await vi.waitFor(() => expect(password().getAttribute('aria-invalid')).toBe('true'));
  expect(screen.getByRole('alert').textContent).toBe("This isn't your password.");
  expect(document.activeElement).toBe(password());

  responses = { '/api/auth/confirm': () => Response.json({ message: 'Confirmed.' }) };
  await userEvent.click(button('Confirm'));
  expect(await request).toBe('done');
  expect(confirmation.asked).toBe(false);
});

test('a user without a password goes to one of the linked providers', async () => {
  session.update({ ...ADA, has_password: false });
  const request = refusedOnce();
  responses = {
    '/api/users/me/identities': () => Response.json([{ id: '1', provider: 'home', issuer: 'https://id.example.org' }]),
    '/api/server': () =>
      Response.json({
        providers: [
          { id: 'home', name: 'Our house' },
          { id: 'other', name: 'Elsewhere' },
        ],
      }),
  };
  render(ConfirmSignIn);
  await vi.waitFor(() => button('Sign in again with Our house'));
  expect(screen.queryByLabelText('Password')).toBeNull();
  expect(screen.queryByRole('button', { name: 'Sign in again with Elsewhere' })).toBeNull();
  const cancelled = expect(request).rejects.toBeInstanceOf(Cancelled);
  await userEvent.click(button('Cancel'));
  await cancelled;
});
