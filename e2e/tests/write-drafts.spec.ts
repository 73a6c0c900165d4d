/** Drafts: no text is lost when the network or the server fails, the session ends, or the tab is closed. */

import { deviceRows } from '../support/device';
import {
  appendText,
  editor,
  entries,
  NETWORK_ERROR,
  notSentYet,
  saved,
  savedOnDevice,
  SERVER_ERROR,
  title,
  writeNewEntry,
} from '../support/writing';
import { expect, expectAccessible, newUser, pictures, Server, signIn, signOut, test } from '../support/test';

test('an offline draft is saved on the device and sent when the network returns', async ({
  page,
  user,
  context,
  guard,
}) => {
  guard.allow(NETWORK_ERROR);
  await signIn(page, user);
  await writeNewEntry(page, 'Before the tunnel.');
  await expect(saved(page)).toBeVisible();
  await context.setOffline(true);
  await appendText(page, ' In the tunnel.');
  await expect(page.getByText("You're offline.")).toBeVisible();
  await expect(savedOnDevice(page)).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'write-offline');
  expect((await entries(user))[0].content).toBe('Before the tunnel.');
  await context.setOffline(false);
  await expect(saved(page)).toBeVisible();
  expect((await entries(user))[0].content).toBe('Before the tunnel. In the tunnel.');
});

test('errors and lost responses of the server create no second entry', async ({ page, user, guard }) => {
  guard.allow(NETWORK_ERROR, SERVER_ERROR);
  await signIn(page, user);
  let failure: 'error' | 'lost response' | null = 'error';
  let lostResponses = 0;
  await page.route('**/api/journals/**', async (route) => {
    if (failure === 'error') return route.fulfill({ status: 500, json: { detail: 'no' } });
    if (failure === 'lost response') {
      await route.fetch();
      lostResponses++;
      return route.abort('failed');
    }
    return route.continue();
  });
  await writeNewEntry(page, 'Once.');
  await expect(page.getByText('The server is having trouble')).toBeVisible();
  failure = 'lost response';
  await page.getByRole('button', { name: 'Try now' }).click();
  await expect.poll(async () => (await entries(user)).length).toBe(1);
  await appendText(page, ' Twice.');
  await expect.poll(() => lostResponses).toBeGreaterThan(1);
  await expect(notSentYet(page)).toBeVisible();
  failure = null;
  await page.getByRole('button', { name: 'Try now' }).click();
  await expect(saved(page)).toBeVisible();
  expect((await entries(user)).map(({ content }) => content)).toEqual(['Once. Twice.']);
});

test('text that the server rejects stays on the page, with the reason', async ({ page, user, guard }) => {
  guard.allow(/status of 507/);
  await signIn(page, user);
  await page.route('**/api/journals/**', (route) =>
    route.fulfill({ status: 507, json: { detail: 'Your quota is used up.' } }),
  );
  await writeNewEntry(page, 'No room.');
  await expect(page.getByText('Your space on this server is full.')).toBeVisible();
  await page.unroute('**/api/journals/**');
  await title(page).fill('ü'.repeat(300));
  await expect(page.getByText('Not saved: The title is too long.')).toBeVisible();
  await expect(editor(page)).toHaveText('No room.');
  await title(page).fill('short');
  await expect(saved(page)).toBeVisible();
});

test.describe('with the service worker', () => {
  test.use({ serviceWorkers: 'allow' });

  test('an offline reload in the middle of a sentence loses nothing, and the next start sends the text', async ({
    page,
    user,
    context,
    guard,
  }) => {
    guard.allow(NETWORK_ERROR);
    await signIn(page, user);
    await page.goto('/write');
    await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
    await context.setOffline(true);
    await appendText(page, 'In the middle of a sen');
    await expect(notSentYet(page)).toBeVisible();
    await page.reload();
    await expect(editor(page)).toHaveText('In the middle of a sen');
    await appendText(page, 'tence.');
    await expect(notSentYet(page)).toBeVisible();
    await page.close();
    await context.setOffline(false);
    const next = await context.newPage();
    await next.goto('/tags');
    // Another tab sends a draft only when it is at least 30 seconds old.
    await next.clock.install();
    await next.goto('/tags');
    await next.clock.fastForward(40_000);
    await expect
      .poll(async () => (await entries(user)).map(({ content }) => content))
      .toEqual(['In the middle of a sentence.']);
  });

  test('text written while the server is stopped is sent after its restart', async ({ page, guard }) => {
    guard.allow(NETWORK_ERROR, SERVER_ERROR);
    const server = await Server.start();
    guard.visit(server.url);
    const user = await newUser(server.url);
    await signIn(page, user, server.url);
    await page.goto(`${server.url}/write`);
    await appendText(page, 'The server runs.');
    await expect(saved(page)).toBeVisible();
    await server.restart(async () => {
      await appendText(page, ' The server is stopped.');
      await expect(notSentYet(page)).toBeVisible();
    });
    // The app retries by itself. The button is faster.
    await expect(async () => {
      const retry = page.getByRole('button', { name: 'Try now' });
      if (await retry.isVisible()) await retry.click({ timeout: 1_000 });
      expect((await entries(user))[0].content).toBe('The server runs. The server is stopped.');
    }).toPass();
    await expect(saved(page)).toBeVisible();
    await server.stop();
  });
});

test('after a sign-out, only the author of an unsent draft can see it', async ({ page, user, server, guard }) => {
  guard.allow(NETWORK_ERROR);
  await signIn(page, user);
  await page.route('**/api/journals/**', (route) =>
    route.request().method() === 'POST' ? route.abort('failed') : route.continue(),
  );
  await writeNewEntry(page, 'Not for other eyes.');
  await expect(notSentYet(page)).toBeVisible();
  await page.goto('/more');
  await signOut(page);
  await expect.poll(async () => (await deviceRows(page)).keys).toEqual([]);
  const { drafts } = await deviceRows(page);
  expect(drafts!.map(({ text }) => text.includes('eyes'))).toEqual([false]);

  const other = await newUser(server.url, 'Grace Hopper');
  await signIn(page, other);
  await page.goto('/write');
  await expect(editor(page)).toBeVisible();
  await expect(page.getByText('Not for other eyes.')).toHaveCount(0);
  await signOut(page);

  await signIn(page, user);
  await page.goto('/write');
  await page.getByRole('link', { name: 'Not for other eyes.' }).click();
  await expect(editor(page)).toHaveText('Not for other eyes.');
  await page.unroute('**/api/journals/**');
  await page.reload();
  await expect.poll(async () => (await entries(user)).map(({ content }) => content)).toEqual(['Not for other eyes.']);
  expect(await entries(other)).toEqual([]);
});

test('an unsent draft is discarded after one confirmation', async ({ page, user, guard }) => {
  guard.allow(NETWORK_ERROR);
  await signIn(page, user);
  await page.route('**/api/journals/**', (route) =>
    route.request().method() === 'POST' ? route.abort('failed') : route.continue(),
  );
  await writeNewEntry(page, 'Never mind.');
  await expect(notSentYet(page)).toBeVisible();
  await page.getByRole('button', { name: 'Discard draft' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(editor(page)).toHaveText('Never mind.');
  await page.getByRole('button', { name: 'Discard draft' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
  await expect(page).toHaveURL('/');
  await page.unroute('**/api/journals/**');
  await page.goto('/write');
  await expect(editor(page)).toBeVisible();
  await expect(page.getByText('Never mind.')).toHaveCount(0);
  expect(await entries(user)).toEqual([]);
});

test('when the session ends during writing, a sign-in dialog on the page lets the text be saved', async ({
  page,
  user,
  context,
}) => {
  await signIn(page, user);
  await writeNewEntry(page, 'Before.');
  await expect(saved(page)).toBeVisible();
  await context.clearCookies();
  await appendText(page, ' After.');
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.getByRole('dialog').locator('input[type="password"]').fill(user.password);
  await page.getByRole('dialog').locator('button[type="submit"]').click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(saved(page)).toBeVisible();
  await expect(editor(page)).toHaveText('Before. After.');
  expect((await entries(user))[0].content).toBe('Before. After.');
});

test('when another user signs in from another tab, no text reaches their journal', async ({
  page,
  user,
  server,
  context,
}) => {
  await signIn(page, user);
  await writeNewEntry(page, 'A day of the first user.');
  await expect(saved(page)).toBeVisible();
  const other = await newUser(server.url, 'Grace Hopper');
  // The session has ended, as after 30 days, which only the other tab knows.
  await context.clearCookies();
  const tab = await context.newPage();
  await tab.goto('/');
  await expect(tab).toHaveURL(/\/login/);
  await appendText(page, ' An evening of the first user.');
  await signIn(tab, other);
  await expect(page).toHaveURL('/');
  await expect(page.getByText(/of the first user/)).toHaveCount(0);
  expect(await entries(other)).toEqual([]);
});
