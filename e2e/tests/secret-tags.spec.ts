/** Secret tags: created, unlocked in another browser, renamed and deleted, also with network failures. */

import {
  createTag,
  enterPhrase,
  expect,
  expectLocked,
  fillNewTagForm,
  goToUnlock,
  NAME,
  PHRASE,
  phraseField,
  typePhraseTwice,
  unlock,
  unlockedTagsBar,
} from '../support/secret';
import { expectAccessible, pictures, signIn, test } from '../support/test';

test(
  'a secret tag is created in one browser and unlocked in another',
  { tag: '@main' },
  async ({ page, user, otherBrowser }) => {
    await signIn(page, user);
    await createTag(page);
    await expect(unlockedTagsBar(page)).toContainText(NAME);
    await expect(page).toHaveTitle('Unlock · Sotto');

    const other = await otherBrowser();
    await signIn(other, user);
    await unlock(other, PHRASE);
    await expect(unlockedTagsBar(other)).toContainText(/until \d/);
  },
);

test('a secret tag is renamed, and deleted after its name is typed', async ({ page, user }) => {
  await signIn(page, user);
  await createTag(page);
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('שלום 🌒');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'שלום 🌒' })).toBeVisible();

  await page.getByRole('button', { name: 'Delete' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('button', { name: 'Delete' })).toBeDisabled();
  await dialog.getByRole('textbox').fill('שלום 🌒');
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expectLocked(page);
  expect(await user.api('GET', '/api/secret-tags/')).toEqual([]);
});

test('after a network failure, creating and unlocking can be repeated without typing again', async ({
  page,
  user,
  guard,
}) => {
  guard.allow(/ERR_FAILED/, /ERR_INTERNET_DISCONNECTED/);
  await signIn(page, user);
  for (const step of ['register/start', 'register/finish']) {
    await goToUnlock(page);
    await fillNewTagForm(page, NAME, PHRASE);
    // The request reaches the server, and the response is lost.
    await page.route(`**/api/secret-tags/${step}`, async (route) => (await route.fetch(), await route.abort()), {
      times: 1,
    });
    await page.getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('alert')).toContainText("The server isn't responding");
    await page.getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('heading', { level: 1, name: NAME })).toBeVisible();
    await page.keyboard.press('F9');
    await expectLocked(page);
  }
  expect(await user.api('GET', '/api/secret-tags/')).toHaveLength(2);

  for (const step of ['unlock/start', 'unlock/finish']) {
    await page.route(`**/api/secret-tags/*/${step}`, (route) => route.abort(), { times: 1 });
    await enterPhrase(page, PHRASE);
    await expect(page.getByRole('alert')).toContainText("The server isn't responding");
    await expect(phraseField(page)).toHaveValue(PHRASE);
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Journal' }).click();
  }
  await unlock(page, PHRASE);
});

test('the keyboard focus follows to each form and back', async ({ page, user }) => {
  await signIn(page, user);
  await goToUnlock(page);
  await expect(phraseField(page)).toBeFocused();
  for (const [way, first] of [
    ['Lock something away', 'Name'],
    ['Use a recovery key', 'Recovery key'],
  ] as const) {
    await page.getByRole('button', { name: way }).press('Enter');
    await expect(page.getByRole('textbox', { name: first })).toBeFocused();
    await page.getByRole('button', { name: 'Cancel' }).press('Enter');
    await expect(phraseField(page)).toBeFocused();
  }
});

test('the pages for secret tags are accessible', async ({ page, user }) => {
  await signIn(page, user);
  await goToUnlock(page);
  await expect(phraseField(page)).toBeFocused();
  await expectAccessible(page);
  await pictures(page, 'unlock');
  await page.getByRole('button', { name: 'Lock something away' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill(NAME);
  await typePhraseTwice(page, 'monkey');
  await expect(page.getByText('Weak', { exact: true })).toBeVisible();
  await expectAccessible(page);
  await typePhraseTwice(page, PHRASE);
  await expect(page.getByText('Very strong', { exact: true })).toBeVisible();
  await pictures(page, 'secret-tag-new');
  await page.getByRole('button', { name: 'Next' }).click();
  await expect(page.locator('.groups')).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'secret-tag-recovery-key');
  await page.getByRole('button', { name: "I've saved it" }).click();
  await expectAccessible(page);
});
