/** Creates users through the API, and signs them in. */

import { randomUUID } from 'node:crypto';

import { expect, type Page } from '@playwright/test';

import { bounded } from './bounded';
import type { Engine, Server } from './server';

/** A user with an account. */
export type User = {
  id: string;
  name: string;
  email: string;
  password: string;
  /**
   * Calls the API as this user, in a separate session: `user.api('POST', '/api/journals/', { … })`. Throws on error
   * responses.
   */
  api: <T = any>(method: string, path: string, body?: unknown) => Promise<T>;
};

/** Signs up a new user, with a different address in each call. */
export async function newUser(server: string, name = 'Ada Lovelace'): Promise<User> {
  const email = `${randomUUID()}@example.org`;
  const password = 'correct horse battery';
  const call = async (token: string, method: string, path: string, body?: unknown) => {
    const request = fetch(server + path, {
      method,
      headers: { ...(token && { authorization: `Bearer ${token}` }), 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const response = await bounded(`a response to ${method} ${path}`, request);
    if (!response.ok) throw new Error(`${method} ${path} responded ${response.status}: ${await response.text()}`);
    return response.json();
  };
  const { id } = await call('', 'POST', '/api/auth/register', {
    email,
    password,
    full_name: name,
    time_zone: 'Europe/Berlin',
  });
  let token = '';
  return {
    id,
    name,
    email,
    password,
    api: async (method, path, body) => {
      token ||= (await call('', 'POST', '/api/auth/login', { email, password })).access_token;
      return call(token, method, path, body);
    },
  };
}

/** Creates a superuser on the command line, as an operator does. */
export async function makeSuperuser(server: Server): Promise<Pick<User, 'email' | 'password'>> {
  const [email, password] = [`root-${randomUUID()}@example.org`, 'correct horse battery'];
  await server.command(['user', 'create', email, '--superuser', '--name', 'Root', '--password-stdin'], `${password}\n`);
  return { email, password };
}

/** Signs out with the button in the side bar, and waits until the sign-in page is shown. */
export async function signOut(page: Page): Promise<void> {
  await page.getByRole('navigation', { name: 'Main' }).getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/\/login$/);
}

/**
 * Makes all sign-ins of a user an hour old, and waits until the server refuses sensitive requests of the page's
 * session, which it has in its cache for some seconds.
 */
export async function ageSignIns(page: Page, server: Server, engine: Engine, email: string): Promise<void> {
  const hourAgo = engine === 'sqlite' ? 'created_at - 3600000000' : "created_at - interval '1 hour'";
  const user = `(SELECT id FROM users WHERE email = '${email}')`;
  await server.sql(`UPDATE login_sessions SET created_at = ${hourAgo}, confirmed_at = NULL WHERE user_id = ${user}`);
  const unlinkNothing = () =>
    page.evaluate(async () => {
      const path = '/api/users/me/identities/00000000-0000-4000-8000-000000000000';
      return (await fetch(path, { method: 'DELETE' })).status;
    });
  await expect.poll(unlinkNothing).toBe(403);
}

/** Signs in through the form, on the test's server or another one, and waits until the journal is shown. */
export async function signIn(page: Page, user: Pick<User, 'email' | 'password'>, server = ''): Promise<void> {
  await page.goto(`${server}/login`);
  await page.locator('input[autocomplete="username"]').fill(user.email);
  await page.locator('input[autocomplete="current-password"]').fill(user.password);
  await page.locator('button[type="submit"]').click();
  await expect(page).toHaveURL(`${server}/`);
  await expect(page.locator('main#content')).toBeVisible();
}
