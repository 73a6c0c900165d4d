/** One entry in two tabs or on two devices: neither text is lost, and the user decides. */

import { appendText, editor, entries, NETWORK_ERROR, newEntry, notSentYet, saved } from '../support/writing';
import { expect, expectAccessible, pictures, signIn, test } from '../support/test';

test('two tabs with one entry: each shows the text of the other', async ({ page, user, context }) => {
  const id = await newEntry(user, 'At noon.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  const tab = await context.newPage();
  await tab.goto(`/entries/${id}/edit`);
  await expect(editor(tab)).toHaveText('At noon.');
  await appendText(page, ' Left.');
  await expect(editor(tab)).toHaveText('At noon. Left.');
  await appendText(tab, ' Right.');
  await expect(editor(page)).toHaveText('At noon. Left. Right.');
  await expect(saved(tab)).toBeVisible();
  await expect(saved(page)).toBeVisible();
  expect((await entries(user))[0].content).toBe('At noon. Left. Right.');
});

test('two tabs that cannot communicate: the later text wins, and the earlier one becomes a conflict copy', async ({
  page,
  user,
  context,
  guard,
}) => {
  guard.allow(NETWORK_ERROR);
  const id = await newEntry(user, 'At noon.');
  await signIn(page, user);
  await context.route('**/api/journals/**', (route) =>
    route.request().method() === 'PUT' ? route.abort('failed') : route.continue(),
  );
  await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'BroadcastChannel'));
  const tab = await context.newPage();
  for (const one of [page, tab]) {
    await one.goto(`/entries/${id}/edit`);
    await expect(editor(one)).toHaveText('At noon.');
  }
  await appendText(page, ' Left.');
  await expect(notSentYet(page)).toBeVisible();
  await appendText(tab, ' Right.');
  await expect(tab.getByText('Another tab saved at the same moment.')).toBeVisible();
  await tab.getByRole('button', { name: /^At noon\. Left\./ }).click();
  await tab.getByRole('button', { name: 'Restore' }).click();
  await expect(editor(tab)).toHaveText('At noon. Left.');
  await expect(tab.getByRole('button', { name: /^At noon\. Right\./ })).toBeVisible();
});

for (const decision of ['mine', 'theirs', 'merged'] as const) {
  test(`an entry is edited on two devices, and the user decides: ${decision} @main`, async ({
    page,
    user,
    otherBrowser,
  }) => {
    const id = await newEntry(user, 'Morning.\n\nNoon.\n\nEvening.');
    const other = await otherBrowser();
    for (const one of [page, other]) {
      await signIn(one, user);
      await one.goto(`/entries/${id}/edit`);
      await expect(editor(one)).toContainText('Evening.');
    }
    await appendText(other, ' With rain.');
    await expect(saved(other)).toBeVisible();
    await editor(page).click();
    await page.keyboard.press('Control+Home');
    await page.keyboard.insertText('Early ');
    await expect(page.getByText('This entry was changed elsewhere')).toBeVisible();
    await expect(page.getByRole('article', { name: 'What you wrote here' })).toContainText('Early Morning.');
    await expect(page.getByRole('article', { name: 'The other version' }).locator('mark')).toContainText('With rain.');
    await expectAccessible(page);
    if (decision === 'mine') await pictures(page, 'write-conflict');

    const stored = async () => (await user.api('GET', `/api/journals/${id}`)).content;
    const [mine, theirs] = ['Early Morning.\n\nNoon.\n\nEvening.', 'Morning.\n\nNoon.\n\nEvening. With rain.'];
    if (decision === 'mine') {
      await page.getByRole('button', { name: 'Keep what I wrote' }).click();
      await expect.poll(stored).toBe(mine);
    } else if (decision === 'theirs') {
      await page.getByRole('button', { name: 'Use the other' }).click();
      await expect(editor(page)).toContainText('With rain.');
      expect(await stored()).toBe(theirs);
    } else {
      await page.getByRole('button', { name: 'Merge both' }).click();
      const merged = page.getByLabel('Merged text');
      await expect(merged).toHaveValue('Early Morning.\n\nNoon.\n\nEvening. With rain.');
      await merged.press('Control+End');
      await merged.pressSequentially(' Both.');
      await expectAccessible(page);
      await page.getByRole('button', { name: 'Use this text' }).click();
      await expect.poll(stored).toBe('Early Morning.\n\nNoon.\n\nEvening. With rain. Both.');
    }

    // The other version stays until it is discarded, also after a reload.
    await page.reload();
    const versions = page.getByRole('button', { name: /Morning/ });
    await expect(versions).toHaveCount(decision === 'merged' ? 2 : 1);
    await versions.first().click();
    const dialog = page.getByRole('dialog');
    if (decision !== 'merged') await expect(dialog).toContainText(decision === 'mine' ? 'With rain.' : 'Early');
    await expectAccessible(page);
    await dialog.getByRole('button', { name: 'Discard' }).click();
    await expect(versions).toHaveCount(decision === 'merged' ? 1 : 0);
  });
}

test('an entry deleted elsewhere: the text can be kept as a new entry, or discarded and restored', async ({
  page,
  user,
}) => {
  const id = await newEntry(user, 'Here today.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await appendText(page, ' Gone tomorrow.');
  await expect(saved(page)).toBeVisible();
  await user.api('DELETE', `/api/journals/${id}`);
  await appendText(page, ' Or not.');
  await expect(page.getByText('This entry was deleted elsewhere')).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Keep what I wrote' }).click();
  await expect
    .poll(async () => (await entries(user)).map(({ content }) => content))
    .toEqual(['Here today. Gone tomorrow. Or not.']);

  // The text becomes a new entry, because the old id may still be in use under a secret tag.
  const [{ id: next }] = await entries(user);
  expect(next).not.toBe(id);
  await expect(page).toHaveURL(`/entries/${next}/edit`);
  await expect(saved(page)).toBeVisible();
  await user.api('DELETE', `/api/journals/${next}`);
  await appendText(page, ' Again.');
  await page.getByRole('button', { name: 'Discard it' }).click();
  await expect(page).toHaveURL('/write');
  await page.getByRole('button', { name: /Here today/ }).click();
  await page.getByRole('button', { name: 'Restore' }).click();
  await expect(editor(page)).toHaveText('Here today. Gone tomorrow. Or not. Again.');
  await expect
    .poll(async () => (await entries(user)).map(({ content }) => content))
    .toEqual(['Here today. Gone tomorrow. Or not. Again.']);
});
