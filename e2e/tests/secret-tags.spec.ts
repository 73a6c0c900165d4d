/** Secret tags: made, opened in another browser, renamed and deleted; and a network that goes in the middle of it. */

import { expect, field, goToOpen, isClosed, make, NAME, open, openAs, PHRASE, prepare, strip, typeTwice } from '../support/secret';
import { expectAccessible, pictures, signIn, test } from '../support/test';

test.describe.configure({ timeout: 240_000 });

test('a secret tag is made in one browser, and opened in another', { tag: '@main' }, async ({ page, user, otherBrowser }) => {
  await signIn(page, user);
  await make(page);
  await expect(strip(page)).toContainText(NAME);
  await expect(page).toHaveTitle('Open · Sotto');

  const other = await otherBrowser();
  await signIn(other, user);
  await openAs(other, PHRASE);
  await expect(strip(other)).toContainText(/until \d/);
});

test('it is renamed and deleted, by its name', async ({ page, user }) => {
  await signIn(page, user);
  await make(page);
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('שלום 🌒');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'שלום 🌒' })).toBeVisible();

  await page.getByRole('button', { name: 'Delete' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('button', { name: 'Delete' })).toBeDisabled();
  await dialog.getByRole('textbox').fill('שלום 🌒');
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await isClosed(page);
  expect(await user.api('GET', '/api/secret-tags/')).toEqual([]);
});

test('a network that goes in the middle leaves nothing half done, and nothing typed is lost', async ({ page, user, guard }) => {
  guard.allow(/ERR_FAILED/, /ERR_INTERNET_DISCONNECTED/);
  await signIn(page, user);
  for (const step of ['register/start', 'register/finish']) {
    await goToOpen(page);
    await prepare(page, NAME, PHRASE);
    // The request arrives, its answer does not.
    await page.route(`**/api/secret-tags/${step}`, async (route) => (await route.fetch(), await route.abort()), { times: 1 });
    await page.getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('alert')).toContainText('The server does not answer');
    await page.getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('heading', { level: 1, name: NAME })).toBeVisible();
    await page.keyboard.press('F9');
    await isClosed(page);
  }
  expect(await user.api('GET', '/api/secret-tags/')).toHaveLength(2);

  for (const step of ['unlock/start', 'unlock/finish']) {
    await page.route(`**/api/secret-tags/*/${step}`, (route) => route.abort(), { times: 1 });
    await open(page, PHRASE);
    await expect(page.getByRole('alert')).toContainText('The server does not answer');
    await expect(field(page)).toHaveValue(PHRASE);
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Journal' }).click();
  }
  await openAs(page, PHRASE);
});

test('the keyboard goes along from one way to the next', async ({ page, user }) => {
  await signIn(page, user);
  await goToOpen(page);
  await expect(field(page)).toBeFocused();
  for (const [way, first] of [['Keep something under a phrase', 'Name'], ['I have a recovery key', 'Recovery key']] as const) {
    await page.getByRole('button', { name: way }).press('Enter');
    await expect(page.getByRole('textbox', { name: first })).toBeFocused();
    await page.getByRole('button', { name: 'Cancel' }).press('Enter');
    await expect(field(page)).toBeFocused();
  }
});

test('its pages are accessible', async ({ page, user }) => {
  await signIn(page, user);
  await goToOpen(page);
  await expect(field(page)).toBeFocused();
  await expectAccessible(page);
  await pictures(page, 'open');
  await page.getByRole('button', { name: 'Keep something under a phrase' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill(NAME);
  await typeTwice(page, 'monkey');
  await expect(page.getByText('Can be guessed', { exact: true })).toBeVisible();
  await expectAccessible(page);
  await typeTwice(page, PHRASE);
  await expect(page.getByText('Out of reach', { exact: true })).toBeVisible();
  await pictures(page, 'open-new');
  await page.getByRole('button', { name: 'Next' }).click();
  await expect(page.locator('.groups')).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'open-recovery-key');
  await page.getByRole('button', { name: 'I have it' }).click();
  await expectAccessible(page);
});
