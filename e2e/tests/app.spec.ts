/** The app as a whole: how the server delivers it, and how users sign up, in and out. */

import { gzipSync } from 'node:zlib';

import type { Response } from '@playwright/test';

import { expect, expectAccessible, newUser, pictures, Server, signIn, signOut, test } from '../support/test';

/** The most bytes of compressed JavaScript that may load before the sign-in. */
const BUDGET = 120_000;

test('the binary serves the app at each of its addresses', async ({ page, request }) => {
  await page.goto('/login?next=%2Ftags');
  await expect(page).toHaveTitle(/Sotto/);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();

  const document = await request.get('/some/page');
  expect(document.status()).toBe(200);
  expect(document.headers()).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    'content-security-policy': expect.stringContaining("default-src 'self'; script-src 'self' 'wasm-unsafe-eval';"),
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': expect.stringContaining('microphone=(self)'),
    'x-content-type-options': 'nosniff',
  });
  expect((await request.get('/assets/missing.js')).status()).toBe(404);
});

test('scripts are compressed and cached for good', async ({ page }) => {
  const scripts: Response[] = [];
  page.on('response', (response) => {
    if (/\/assets\/[^/]+\.js$/.test(response.url())) scripts.push(response);
  });
  await page.goto('/login');
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
  await page.waitForLoadState('networkidle');
  expect(scripts.length).toBeGreaterThan(2);
  const all = await Promise.all(scripts.map((response) => response.allHeaders()));
  for (const headers of all) expect(headers['cache-control']).toBe('public, max-age=31536000, immutable');
  // Small files gain nothing from compression.
  expect(all.some((headers) => ['br', 'gzip'].includes(headers['content-encoding'] ?? ''))).toBe(true);
});

test('the JavaScript before the sign-in is within its budget', async ({ page, request }) => {
  await page.goto('/login');
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
  await page.waitForLoadState('networkidle');
  const scripts = await page.evaluate(() =>
    (performance.getEntriesByType('resource') as PerformanceResourceTiming[])
      .filter(({ name }) => new URL(name).pathname.endsWith('.js'))
      .map(({ name, encodedBodySize }) => ({ name, sent: encodedBodySize })),
  );
  let sent = 0;
  let gzip = 0;
  for (const script of scripts) {
    sent += script.sent;
    const file = await request.get(script.name, { headers: { 'accept-encoding': 'identity' } });
    gzip += gzipSync(await file.body(), { level: 9 }).length;
  }
  const kB = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;
  console.log(
    `JavaScript before the sign-in: ${scripts.length} files, ${kB(gzip)} by gzip, ${kB(sent)} as sent (at most ${kB(BUDGET)})`,
  );
  expect(sent).toBeGreaterThan(0);
  expect(sent).toBeLessThanOrEqual(BUDGET);
  expect(gzip).toBeLessThanOrEqual(BUDGET);
});

test('a new user signs up, signs out and signs in again', { tag: '@main' }, async ({ page }) => {
  const { email, password } = { email: `${crypto.randomUUID()}@example.org`, password: 'correct horse battery' };
  await page.goto('/');
  await expect(page).toHaveURL('/login');
  await pictures(page, 'login');
  await page.locator('a[href="/signup"]').click();
  await expect(page).toHaveURL('/signup');
  await page.locator('input[autocomplete="name"]').fill('Ada Lovelace');
  await page.locator('input[autocomplete="username"]').fill(email);
  await page.locator('input[autocomplete="new-password"]').fill(password);
  await pictures(page, 'signup');
  await page.locator('button[type="submit"]').click();
  await expect(page).toHaveURL('/');
  await expect(page.locator('main#content')).toBeVisible();

  // The session survives a reload, and scripts cannot read its cookies.
  await page.reload();
  await expect(page.locator('main#content')).toBeVisible();
  expect(await page.evaluate(() => document.cookie)).toBe('');

  await signOut(page);
  await page.goto('/tags');
  await expect(page).toHaveURL('/login?next=%2Ftags');

  await page.locator('input[autocomplete="username"]').fill(email);
  await page.locator('input[autocomplete="current-password"]').fill('wrong battery');
  await page.locator('button[type="submit"]').click();
  await expect(page.getByRole('alert')).toBeVisible();
  await page.locator('input[autocomplete="current-password"]').fill(password);
  await page.locator('button[type="submit"]').click();
  await expect(page).toHaveURL('/tags');
});

test('a server that nothing happens to logs only the database that it uses', async ({ engine }) => {
  const server = await Server.start(engine);
  try {
    const user = await newUser(server.url);
    await user.api('POST', '/api/journals/', { content: 'Rain.', entry_date: '2026-11-25T08:00:00Z' });
  } finally {
    await server.stop();
  }
  expect(server.log).toMatch(/^Using the database .*\n$/);
});

test('two browsers have separate sessions', async ({ page, otherBrowser, user, server }) => {
  await signIn(page, user);
  const other = await otherBrowser();
  await other.goto('/');
  await expect(other).toHaveURL('/login');
  await signIn(other, await newUser(server.url, 'Grace Hopper'));
});

test('the app starts with the sign-in page when the stored user is invalid', async ({ page, guard }) => {
  guard.allow(/ERR_FAILED/);
  await page.route('**/api/users/me', (route) => route.abort());
  for (const nonsense of ['{', 'null', '{"id":1}']) {
    await page.addInitScript((value) => localStorage.setItem('sotto.user', value), nonsense);
    await page.goto('/');
    await expect(page).toHaveURL('/login');
    await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
  }
});

test('the sign-in and sign-up pages are accessible', async ({ page }) => {
  for (const path of ['/login', '/signup']) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await expectAccessible(page);
  }
});
