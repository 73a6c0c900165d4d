/** Signing out: it ends the session in every state of the app, and empties the app at once. */

import { createTag, unlockedTagsBar, writeEntry } from '../support/secret';
import { NETWORK_ERROR } from '../support/writing';
import { expect, expectAccessible, newUser, pictures, Server, signIn, signOut, test, type User } from '../support/test';

/** The sessions of a user, one of which is that of `user.api`. */
const sessions = (user: User): Promise<unknown[]> => user.api('GET', '/api/users/me/sessions');

test('the button is in the side bar, in the settings, and in the menu of a narrow screen', async ({ page, user }) => {
  const inPage = page.getByRole('main').getByRole('button', { name: 'Sign out', exact: true });
  await signIn(page, user);
  await expectAccessible(page);
  await signOut(page);

  await signIn(page, user);
  await page.goto('/settings');
  await inPage.click();
  await expect(page).toHaveURL('/login');

  await signIn(page, user);
  await page.setViewportSize({ width: 390, height: 800 });
  await page.goto('/more');
  await expect(inPage).toBeVisible();
  await expect(page.getByRole('button', { name: 'Sign out', exact: true })).toHaveCount(1);
  await inPage.click();
  await expect(page).toHaveURL('/login');
  await expect.poll(() => sessions(user)).toHaveLength(1);
});

test('after idle minutes, a sign-out ends the session', { tag: '@main' }, async ({ page, context, user, guard }) => {
  guard.allow(/ERR_FAILED/);
  await signIn(page, user);
  await expect.poll(() => sessions(user)).toHaveLength(2);
  // The browser keeps the access token for 15 minutes, and the refresh token for 30 days.
  await context.clearCookies({ name: 'sotto_access' });
  expect(await context.cookies()).toMatchObject([{ name: 'sotto_refresh' }]);
  // The sign-out has to work without a renewal of the login.
  await page.route('**/api/auth/refresh', (route) => route.abort());
  await signOut(page);
  await expect.poll(() => sessions(user)).toHaveLength(1);
  expect(await context.cookies()).toEqual([]);
});

test('a sign-out empties the other tabs and locks all secret tags', async ({ page, context, user }) => {
  test.slow();
  await signIn(page, user);
  const other = await context.newPage();
  await other.goto('/');
  await createTag(other);
  await writeEntry(other, 'A dream', 'I could fly.');
  const unlocked = async () => {
    const all: { state: string }[] = await user.api('GET', '/api/opaque-sessions/');
    return all.filter(({ state }) => state === 'unlocked').length;
  };

  await signOut(page);
  await expect(other).toHaveURL('/login');
  await expect(unlockedTagsBar(other)).toHaveCount(0);
  await expect.poll(unlocked).toBe(0);
  await other.goBack();
  await expect(other).toHaveURL(/\/login/);
  await expect(other.getByText('I could fly.')).toHaveCount(0);
  await expect.poll(() => sessions(user)).toHaveLength(1);
});

test.describe('while the server is unreachable', () => {
  test.use({ serviceWorkers: 'allow' });

  const DUE = "You're signed out on this device.";
  let server: Server;
  let user: User;

  test.beforeEach(async ({ engine, guard, page }) => {
    test.slow();
    server = await Server.start(engine);
    guard.visit(server.url);
    guard.allow(NETWORK_ERROR, /ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/);
    user = await newUser(server.url);
    const entry = { content: 'Nobody else reads this.', entry_date: '2026-11-25T08:00:00Z' };
    await user.api('POST', '/api/journals/', entry);
    await signIn(page, user, server.url);
    await expect(page.getByText(entry.content)).toBeVisible();
    // By then, the service worker has cached all files of the app.
    await page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated');
  });
  test.afterEach(() => server.stop());

  test('a sign-out counts at once, and is sent first when the server is back', async ({ page, context }) => {
    const responses: string[] = [];
    await server.restart(async () => {
      await signOut(page);
      await expect(page.getByText(DUE)).toBeVisible();
      await expectAccessible(page);
      await pictures(page, 'sign-out-due');
      // The app starts again, and shows nothing of the account.
      for (const path of ['/', '/settings/data']) {
        await page.goto(server.url + path);
        await expect(page).toHaveURL(/\/login/);
        await expect(page.getByText(DUE)).toBeVisible();
      }
      page.on('response', (response) => {
        const { pathname } = new URL(response.url());
        if (pathname.startsWith('/api/')) responses.push(pathname);
      });
    });
    await expect(page.getByText(DUE)).toHaveCount(0);
    expect(responses[0]).toBe('/api/auth/logout');
    await expect.poll(() => sessions(user)).toHaveLength(1);
    expect(await context.cookies()).toEqual([]);
    await page.goto(`${server.url}/`);
    await expect(page).toHaveURL(`${server.url}/login`);
  });

  test('the next sign-in sends the sign-out before, and is not ended by it', async ({ page }) => {
    await server.restart(async () => {
      await signOut(page);
      await expect(page.getByText(DUE)).toBeVisible();
    });
    await signIn(page, user, server.url);
    await page.reload();
    await expect(page.getByText('Nobody else reads this.')).toBeVisible();
    // That of `user.api`, and the new one.
    await expect.poll(() => sessions(user)).toHaveLength(2);
  });
});
