/** How secret tags are locked: with a key, from another tab, by the server, by a deletion and by a reload. */

import {
  createAnotherTag,
  createTag,
  expect,
  expectLocked,
  goToUnlock,
  NAME,
  PHRASE,
  phraseField,
  unlock,
  unlockedTagsBar,
} from '../support/secret';
import { expectAccessible, signIn, test } from '../support/test';
import { notSentYet } from '../support/writing';

test('one key locks all tags, even from a field in a dialog, and clears the page', async ({ page, user }) => {
  await signIn(page, user);
  await createTag(page);
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('Half a new name');
  // The page is cleared within the same task, before any network request or navigation.
  await page.evaluate(() => {
    const saveSnapshot = () => Object.assign(window, { clearedPage: document.documentElement.outerHTML });
    addEventListener('keydown', () => queueMicrotask(saveSnapshot), { once: true });
  });
  await page.keyboard.press('F9');
  expect(await page.evaluate(() => (window as unknown as { clearedPage: string }).clearedPage)).not.toMatch(
    /Therapy|Half a new name/,
  );
  await expectLocked(page);
  await expect(page).toHaveTitle('Journal · Sotto');
  // Going back shows nothing of the tag.
  await page.goBack();
  await expect(page.getByText('Therapy')).toHaveCount(0);
  await goToUnlock(page);
  await expect(phraseField(page)).toHaveValue('');
});

test('two tags are unlocked at once, and locked one by one or together', async ({ page, user }) => {
  await signIn(page, user);
  await createTag(page, 'One', PHRASE);
  await createAnotherTag(page, 'Two', 'another phrase of six odd words');

  await page.getByRole('button', { name: 'One', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'One' })).toBeVisible();
  await expectAccessible(page);
  await unlockedTagsBar(page).getByRole('button', { name: 'Lock Two' }).click();
  await expect(unlockedTagsBar(page).getByRole('listitem')).toHaveCount(1);
  await unlockedTagsBar(page).getByRole('button', { name: 'Lock all' }).click();
  await expectLocked(page);
});

test('each browser tab unlocks separately, and all lock together', async ({ page, user, context }) => {
  await signIn(page, user);
  await createTag(page);
  const second = await context.newPage();
  await second.goto('/open');
  await expect(phraseField(second)).toBeVisible();
  await expect(unlockedTagsBar(second)).toHaveCount(0);
  await phraseField(second).fill(PHRASE);
  await phraseField(second).press('Enter');
  await expect(unlockedTagsBar(second)).toBeVisible();
  await second.keyboard.press('F9');
  await expectLocked(second);
  await expectLocked(page);
});

test('when another tab locks a tag, its drafts leave the list of drafts', async ({ page, user, context, guard }) => {
  guard.allow(/ERR_FAILED/);
  await signIn(page, user);
  await createTag(page);
  await page.getByRole('button', { name: 'Write' }).click();
  await page.route('**/api/journals/**', (route) =>
    route.request().method() === 'POST' ? route.abort() : route.continue(),
  );
  await page.locator('.cm-content').click();
  await page.keyboard.type('Not finished yet');
  await expect(notSentYet(page)).toBeVisible();
  await goToUnlock(page);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Write' }).click();
  await expect(page.getByRole('link', { name: 'Not finished yet' })).toBeVisible();

  const second = await context.newPage();
  await second.goto('/open');
  await phraseField(second).fill(PHRASE);
  await phraseField(second).press('Enter');
  await expect(unlockedTagsBar(second)).toBeVisible();
  await second.keyboard.press('F9');
  await expect(unlockedTagsBar(page)).toHaveCount(0);
  await expect(page.getByText('Not finished')).toHaveCount(0);
});

test('a tag that the server has locked is locked in the app', async ({ page, user }) => {
  await signIn(page, user);
  await createTag(page);
  await user.api('POST', '/api/secret-tags/lock');
  await page.getByRole('searchbox').fill('rain');
  await expectLocked(page);
  await expect(page.getByText('Locked after a while without use, or on another device.')).toBeVisible();
});

test('a tag is locked when the session ends and when another browser deletes the tag', async ({
  page,
  user,
  context,
  otherBrowser,
}) => {
  await signIn(page, user);
  await createTag(page);
  await context.clearCookies();
  await page.getByRole('searchbox').fill('rain');
  const signInDialog = page.getByRole('dialog', { name: "You've been signed out" });
  await expect(signInDialog).toBeVisible();
  await expect(page.getByText(NAME)).toHaveCount(0);
  await signInDialog.getByRole('textbox').fill(user.password);
  await signInDialog.getByRole('button', { name: 'Sign in' }).click();
  await expect(signInDialog).toHaveCount(0);
  await unlock(page, PHRASE);

  const other = await otherBrowser();
  await signIn(other, user);
  await unlock(other, PHRASE);
  await other.getByRole('button', { name: 'Delete' }).click();
  await other.getByRole('dialog').getByRole('textbox').fill(NAME);
  await other.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expectLocked(other);
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expectLocked(page);
});

test('a reload locks a tag, in the app and on the server', async ({ page, user }) => {
  await signIn(page, user);
  await createTag(page);
  await page.reload();
  await expect(phraseField(page)).toBeVisible();
  await expect
    .poll(async () =>
      (await user.api<{ state: string }[]>('GET', '/api/opaque-sessions/')).filter(({ state }) => state === 'unlocked'),
    )
    .toEqual([]);
});
