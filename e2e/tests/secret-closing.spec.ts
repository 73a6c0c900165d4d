/** How secret tags are closed: by a key, by another tab, by the server, and by leaving. */

import { expect, field, goToOpen, isClosed, make, makeAnother, NAME, openAs, PHRASE, strip } from '../support/secret';
import { expectAccessible, signIn, test } from '../support/test';

test.describe.configure({ timeout: 240_000 });

test('one key closes all, from a field and from a dialog, and wipes the page', async ({ page, user }) => {
  await signIn(page, user);
  await make(page);
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('Half a new name');
  // In the very same turn: nothing waits for the network or for the next page.
  await page.evaluate(() => {
    const look = () => Object.assign(window, { wiped: document.documentElement.outerHTML });
    addEventListener('keydown', () => queueMicrotask(look), { once: true });
  });
  await page.keyboard.press('F9');
  expect(await page.evaluate(() => (window as unknown as { wiped: string }).wiped)).not.toMatch(/Therapy|Half a new name/);
  await isClosed(page);
  await expect(page).toHaveTitle('Journal · Sotto');
  // The way back leads to nothing.
  await page.goBack();
  await expect(page.getByText('Therapy')).toHaveCount(0);
  await goToOpen(page);
  await expect(field(page)).toHaveValue('');
});

test('two are open at once, and closed one by one or together', async ({ page, user }) => {
  await signIn(page, user);
  await make(page, 'One', PHRASE);
  await makeAnother(page, 'Two', 'another phrase of six odd words');

  await page.getByRole('button', { name: 'One', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'One' })).toBeVisible();
  await expectAccessible(page);
  await strip(page).getByRole('button', { name: 'Close Two' }).click();
  await expect(strip(page).getByRole('listitem')).toHaveCount(1);
  await strip(page).getByRole('button', { name: 'Close all' }).click();
  await isClosed(page);
});

test('tabs open for themselves, and close together', async ({ page, user, context }) => {
  await signIn(page, user);
  await make(page);
  const second = await context.newPage();
  await second.goto('/open');
  await expect(field(second)).toBeVisible();
  await expect(strip(second)).toHaveCount(0);
  await field(second).fill(PHRASE);
  await field(second).press('Enter');
  await expect(strip(second)).toBeVisible();
  await second.keyboard.press('F9');
  await isClosed(second);
  await isClosed(page);
});

test('a draft under it leaves the list of drafts when it is closed elsewhere', async ({ page, user, context, guard }) => {
  guard.allow(/ERR_FAILED/);
  await signIn(page, user);
  await make(page);
  await page.getByRole('button', { name: 'Write' }).click();
  await page.route('**/api/journals/**', (route) => (route.request().method() === 'POST' ? route.abort() : route.continue()));
  await page.locator('.cm-content').click();
  await page.keyboard.type('Not finished yet');
  await expect(page.getByText('It is sent when the network is back.')).toBeVisible();
  await goToOpen(page);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Write' }).click();
  await expect(page.getByRole('link', { name: 'Not finished yet' })).toBeVisible();

  const second = await context.newPage();
  await second.goto('/open');
  await field(second).fill(PHRASE);
  await field(second).press('Enter');
  await expect(strip(second)).toBeVisible();
  await second.keyboard.press('F9');
  await expect(strip(page)).toHaveCount(0);
  await expect(page.getByText('Not finished')).toHaveCount(0);
});

test('what the server has ended is closed here as well', async ({ page, user }) => {
  await signIn(page, user);
  await make(page);
  await user.api('POST', '/api/secret-tags/lock');
  await page.getByRole('searchbox').fill('rain');
  await isClosed(page);
  await expect(page.getByText('Closed: it was not used for a while, or was closed elsewhere.')).toBeVisible();
});

test('a sign-in that ends closes it, and so does who deletes it elsewhere', async ({ page, user, context, otherBrowser }) => {
  await signIn(page, user);
  await make(page);
  await context.clearCookies();
  await page.getByRole('searchbox').fill('rain');
  const again = page.getByRole('dialog', { name: 'Your sign-in has ended' });
  await expect(again).toBeVisible();
  await expect(page.getByText(NAME)).toHaveCount(0);
  await again.getByRole('textbox').fill(user.password);
  await again.getByRole('button', { name: 'Sign in' }).click();
  await expect(again).toHaveCount(0);
  await openAs(page, PHRASE);

  const other = await otherBrowser();
  await signIn(other, user);
  await openAs(other, PHRASE);
  await other.getByRole('button', { name: 'Delete' }).click();
  await other.getByRole('dialog').getByRole('textbox').fill(NAME);
  await other.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await isClosed(other);
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await isClosed(page);
});

test('a reload closes it, here and on the server', async ({ page, user }) => {
  await signIn(page, user);
  await make(page);
  await page.reload();
  await expect(field(page)).toBeVisible();
  await expect.poll(async () => (await user.api<{ state: string }[]>('GET', '/api/opaque-sessions/')).filter(({ state }) => state === 'unlocked')).toEqual([]);
});
