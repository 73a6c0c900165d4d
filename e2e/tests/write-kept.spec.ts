/** Nothing that a person types gets lost, whatever happens to the network, the server, the login or the tab. */

import { onDevice } from '../support/device';
import { BROKEN, entries, expect, kept, NETWORK, newPage, paper, saved, title, write } from '../support/writing';
import { expectAccessible, newUser, pictures, Server, signIn, test } from '../support/test';

test.describe.configure({ timeout: 90_000 });

test('offline and back: it is kept here, and goes out by itself', async ({ page, user, context, guard }) => {
  guard.allow(NETWORK);
  await signIn(page, user);
  await newPage(page, 'Before the tunnel.');
  await expect(saved(page)).toBeVisible();
  await context.setOffline(true);
  await write(page, ' In the tunnel.');
  await expect(page.getByText('You are offline.')).toBeVisible();
  await expect(kept(page)).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'write-offline');
  expect((await entries(user))[0].content).toBe('Before the tunnel.');
  await context.setOffline(false);
  await expect(saved(page)).toBeVisible();
  expect((await entries(user))[0].content).toBe('Before the tunnel. In the tunnel.');
});

test('a server that answers 500, loses answers, and comes back makes no second entry', async ({ page, user, guard }) => {
  guard.allow(NETWORK, BROKEN);
  await signIn(page, user);
  let trouble: 'broken' | 'lost' | null = 'broken';
  await page.route('**/api/journals/**', async (route) => {
    if (trouble === 'broken') return route.fulfill({ status: 500, json: { detail: 'no' } });
    if (trouble === 'lost') {
      await route.fetch();
      return route.abort('failed');
    }
    return route.continue();
  });
  await newPage(page, 'Once.');
  await expect(page.getByText('The server is in trouble')).toBeVisible();
  trouble = 'lost';
  await page.getByRole('button', { name: 'Try now' }).click();
  await expect.poll(async () => (await entries(user)).length).toBe(1);
  await write(page, ' Twice.');
  await expect(page.getByText('It is sent when the network is back.')).toBeVisible();
  trouble = null;
  await page.getByRole('button', { name: 'Try now' }).click();
  await expect(saved(page)).toBeVisible();
  expect((await entries(user)).map(({ content }) => content)).toEqual(['Once. Twice.']);
});

test('what the server refuses stays on the page, with the reason', async ({ page, user, guard }) => {
  guard.allow(/status of 507/);
  await signIn(page, user);
  await page.route('**/api/journals/**', (route) => route.fulfill({ status: 507, json: { detail: 'Your quota is used up.' } }));
  await newPage(page, 'No room.');
  await expect(page.getByText('There is no room left for you on the server.')).toBeVisible();
  await page.unroute('**/api/journals/**');
  await title(page).fill('ü'.repeat(300));
  await expect(page.getByText('Not saved: The title is too long.')).toBeVisible();
  await expect(paper(page)).toHaveText('No room.');
  await title(page).fill('short');
  await expect(saved(page)).toBeVisible();
});

test.describe('with the app kept on the device', () => {
  test.use({ serviceWorkers: 'allow' });

  test('a reload without a network, in the middle of a sentence, loses nothing; a new start sends it', async ({ page, user, context, guard }) => {
    guard.allow(NETWORK);
    await signIn(page, user);
    await page.goto('/write');
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
    await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
    await context.setOffline(true);
    await write(page, 'In the middle of a sen');
    await expect(kept(page)).toBeVisible();
    await page.reload();
    await expect(paper(page)).toHaveText('In the middle of a sen');
    await write(page, 'tence.');
    await expect(kept(page)).toBeVisible();
    await page.close();
    await context.setOffline(false);
    const next = await context.newPage();
    await next.goto('/tags');
    // Another tab looks after a draft once it is half a minute old.
    await next.clock.install();
    await next.goto('/tags');
    await next.clock.fastForward(40_000);
    await expect.poll(async () => (await entries(user)).map(({ content }) => content)).toEqual(['In the middle of a sentence.']);
  });

  test('a server that was stopped and started again gets what was written meanwhile', async ({ page, guard }) => {
    guard.allow(NETWORK, BROKEN);
    const up = await Server.start();
    guard.visit(up.url);
    const user = await newUser(up.url);
    await signIn(page, user, up.url);
    await page.goto(`${up.url}/write`);
    await write(page, 'While it is up.');
    await expect(saved(page)).toBeVisible();
    await up.restart(async () => {
      await write(page, ' While it is down.');
      await expect(page.getByText('It is sent when the network is back.')).toBeVisible();
    });
    await page.getByRole('button', { name: 'Try now' }).click();
    await expect(saved(page)).toBeVisible();
    expect((await entries(user))[0].content).toBe('While it is up. While it is down.');
    await up.stop();
  });
});

test('signed out with an unsent draft: only its owner finds it again', async ({ page, user, server, guard }) => {
  guard.allow(NETWORK);
  await signIn(page, user);
  await page.route('**/api/journals/**', (route) => (route.request().method() === 'POST' ? route.abort('failed') : route.continue()));
  await newPage(page, 'Not for other eyes.');
  await expect(page.getByText('It is sent when the network is back.')).toBeVisible();
  await page.goto('/more');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/\/login/);
  const { keys, slots } = await onDevice(page);
  expect(keys).toEqual([]);
  expect(slots!.map(({ text }) => text.includes('eyes'))).toEqual([false]);

  const other = await newUser(server.url, 'Grace Hopper');
  await signIn(page, other);
  await page.goto('/write');
  await expect(paper(page)).toBeVisible();
  await expect(page.getByText('Not for other eyes.')).toHaveCount(0);
  await page.goto('/more');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/\/login/);

  await signIn(page, user);
  await page.goto('/write');
  await page.getByRole('link', { name: 'Not for other eyes.' }).click();
  await expect(paper(page)).toHaveText('Not for other eyes.');
  await page.unroute('**/api/journals/**');
  await page.reload();
  await expect.poll(async () => (await entries(user)).map(({ content }) => content)).toEqual(['Not for other eyes.']);
  expect(await entries(other)).toEqual([]);
});

test('a draft that was never sent is thrown away after one question', async ({ page, user, guard }) => {
  guard.allow(NETWORK);
  await signIn(page, user);
  await page.route('**/api/journals/**', (route) => (route.request().method() === 'POST' ? route.abort('failed') : route.continue()));
  await newPage(page, 'Never mind.');
  await expect(page.getByText('It is sent when the network is back.')).toBeVisible();
  await page.getByRole('button', { name: 'Throw away' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(paper(page)).toHaveText('Never mind.');
  await page.getByRole('button', { name: 'Throw away' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Throw away' }).click();
  await expect(page).toHaveURL('/');
  await page.unroute('**/api/journals/**');
  await page.goto('/write');
  await expect(paper(page)).toBeVisible();
  await expect(page.getByText('Never mind.')).toHaveCount(0);
  expect(await entries(user)).toEqual([]);
});

test('a login that ends while somebody writes: they sign in on top of the page, and it is saved', async ({ page, user, context }) => {
  await signIn(page, user);
  await newPage(page, 'Before.');
  await expect(saved(page)).toBeVisible();
  await context.clearCookies();
  await write(page, ' After.');
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.getByRole('dialog').locator('input[type="password"]').fill(user.password);
  await page.getByRole('dialog').locator('button[type="submit"]').click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(saved(page)).toBeVisible();
  await expect(paper(page)).toHaveText('Before. After.');
  expect((await entries(user))[0].content).toBe('Before. After.');
});

test('somebody else signs in from another tab: nothing gets into the wrong journal', async ({ page, user, server, context }) => {
  await signIn(page, user);
  await newPage(page, 'Of the first.');
  await expect(saved(page)).toBeVisible();
  const other = await newUser(server.url, 'Grace Hopper');
  const tab = await context.newPage();
  await tab.goto('/more');
  await tab.getByRole('button', { name: 'Sign out' }).click();
  await expect(tab).toHaveURL(/\/login/);
  await write(page, ' Still the first.');
  await signIn(tab, other);
  await expect(page).toHaveURL('/');
  await expect(page.getByText(/(Of|Still) the first/)).toHaveCount(0);
  expect(await entries(other)).toEqual([]);
});
