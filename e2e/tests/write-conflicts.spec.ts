/** One entry in two tabs, or on two devices: both texts are kept, and the person decides. */

import { entries, expect, NETWORK, newEntry, paper, saved, write } from '../support/writing';
import { expectAccessible, pictures, signIn, test } from '../support/test';

test.describe.configure({ timeout: 90_000 });

test('two tabs with one entry: the text follows from one to the other', async ({ page, user, context }) => {
  const id = await newEntry(user, 'Begun.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  const tab = await context.newPage();
  await tab.goto(`/entries/${id}/edit`);
  await expect(paper(tab)).toHaveText('Begun.');
  await write(page, ' Left.');
  await expect(paper(tab)).toHaveText('Begun. Left.');
  await write(tab, ' Right.');
  await expect(paper(page)).toHaveText('Begun. Left. Right.');
  await expect(saved(tab)).toBeVisible();
  await expect(saved(page)).toBeVisible();
  expect((await entries(user))[0].content).toBe('Begun. Left. Right.');
});

test('two tabs that do not hear of each other: the later text wins, the earlier one is set aside', async ({ page, user, context, guard }) => {
  guard.allow(NETWORK);
  const id = await newEntry(user, 'Begun.');
  await signIn(page, user);
  await context.route('**/api/journals/**', (route) => (route.request().method() === 'PUT' ? route.abort('failed') : route.continue()));
  await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'BroadcastChannel'));
  const tab = await context.newPage();
  for (const one of [page, tab]) {
    await one.goto(`/entries/${id}/edit`);
    await expect(paper(one)).toHaveText('Begun.');
  }
  await write(page, ' Left.');
  await expect(page.getByText('It is sent when the network is back.')).toBeVisible();
  await write(tab, ' Right.');
  await expect(tab.getByText('Another tab wrote at the same moment.')).toBeVisible();
  await tab.getByRole('button', { name: /^Begun\. Left\./ }).click();
  await tab.getByRole('button', { name: 'Put onto the page' }).click();
  await expect(paper(tab)).toHaveText('Begun. Left.');
  await expect(tab.getByRole('button', { name: /^Begun\. Right\./ })).toBeVisible();
});

for (const decision of ['mine', 'theirs', 'merged'] as const) {
  test(`changed on two devices, and the person decides: ${decision} @main`, async ({ page, user, otherBrowser }) => {
    const id = await newEntry(user, 'Morning.\n\nNoon.\n\nEvening.');
    const other = await otherBrowser();
    for (const one of [page, other]) {
      await signIn(one, user);
      await one.goto(`/entries/${id}/edit`);
      await expect(paper(one)).toContainText('Evening.');
    }
    await write(other, ' With rain.');
    await expect(saved(other)).toBeVisible();
    await paper(page).click();
    await page.keyboard.press('Control+Home');
    await page.keyboard.insertText('Early ');
    await expect(page.getByText('This entry was changed elsewhere')).toBeVisible();
    await expect(page.getByRole('article', { name: 'What you wrote here' })).toContainText('Early Morning.');
    await expect(page.getByRole('article', { name: 'What it says elsewhere' }).locator('mark')).toContainText('With rain.');
    await expectAccessible(page);
    if (decision === 'mine') await pictures(page, 'write-conflict');

    const stored = async () => (await user.api('GET', `/api/journals/${id}`)).content;
    const [mine, theirs] = ['Early Morning.\n\nNoon.\n\nEvening.', 'Morning.\n\nNoon.\n\nEvening. With rain.'];
    if (decision === 'mine') {
      await page.getByRole('button', { name: 'Keep what I wrote' }).click();
      await expect.poll(stored).toBe(mine);
    } else if (decision === 'theirs') {
      await page.getByRole('button', { name: 'Take the other' }).click();
      await expect(paper(page)).toContainText('With rain.');
      expect(await stored()).toBe(theirs);
    } else {
      await page.getByRole('button', { name: 'Make one text of both' }).click();
      const merged = page.getByLabel('One text out of both');
      await expect(merged).toHaveValue('Early Morning.\n\nNoon.\n\nEvening. With rain.');
      await merged.press('Control+End');
      await merged.pressSequentially(' Both.');
      await expectAccessible(page);
      await page.getByRole('button', { name: 'Take this text' }).click();
      await expect.poll(stored).toBe('Early Morning.\n\nNoon.\n\nEvening. With rain. Both.');
    }

    // The other version stays until it is thrown away, also after a reload.
    await page.reload();
    const versions = page.getByRole('button', { name: /Morning/ });
    await expect(versions).toHaveCount(decision === 'merged' ? 2 : 1);
    await versions.first().click();
    const dialog = page.getByRole('dialog');
    if (decision !== 'merged') await expect(dialog).toContainText(decision === 'mine' ? 'With rain.' : 'Early');
    await expectAccessible(page);
    await dialog.getByRole('button', { name: 'Throw away' }).click();
    await expect(versions).toHaveCount(decision === 'merged' ? 1 : 0);
  });
}

test('deleted elsewhere: it can be kept as an entry, or let go and found again', async ({ page, user }) => {
  const id = await newEntry(user, 'Here today.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await write(page, ' Gone tomorrow.');
  await expect(saved(page)).toBeVisible();
  await user.api('DELETE', `/api/journals/${id}`);
  await write(page, ' Or not.');
  await expect(page.getByText('This entry was deleted elsewhere')).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Keep what I wrote' }).click();
  await expect.poll(async () => (await entries(user)).map(({ content }) => content)).toEqual(['Here today. Gone tomorrow. Or not.']);

  // It goes on as another entry: the id from before may be in use where nobody sees it.
  const [{ id: next }] = await entries(user);
  expect(next).not.toBe(id);
  await expect(page).toHaveURL(`/entries/${next}/edit`);
  await expect(saved(page)).toBeVisible();
  await user.api('DELETE', `/api/journals/${next}`);
  await write(page, ' Again.');
  await page.getByRole('button', { name: 'Let it go' }).click();
  await expect(page).toHaveURL('/write');
  await page.getByRole('button', { name: /Here today/ }).click();
  await page.getByRole('button', { name: 'Put onto the page' }).click();
  await expect(paper(page)).toHaveText('Here today. Gone tomorrow. Or not. Again.');
  await expect.poll(async () => (await entries(user)).map(({ content }) => content)).toEqual(['Here today. Gone tomorrow. Or not. Again.']);
});
