/** Time zones that the browser does not know: the app uses UTC, says so, and everything can be read and changed. */

import { randomUUID } from 'node:crypto';

import { appendText, newEntry, saved, writeNewEntry } from '../support/writing';
import { expect, expectAccessible, signIn, test, type Page, type Server, type User } from '../support/test';

/** Gives the user, an entry and a reminder time zones that only an operating system knows, or that do not exist. */
async function createInUnknownZones(
  server: Server,
  user: User,
): Promise<{ entry: string; text: string; reminder: string }> {
  const [text, reminder] = [`From another machine ${randomUUID()}`, `Write ${randomUUID()}`];
  const entry = await newEntry(user, text);
  const daily = { title: reminder, message: '', frequency: 'daily', time: '2026-11-25T20:00:00Z' };
  await user.api('POST', '/api/reminders/', daily);
  await server.sql(`UPDATE journal_entries SET entry_zone = 'localtime' WHERE content = '${text}'`);
  await server.sql(`UPDATE reminders SET time_zone = 'Mars/Olympus' WHERE title = '${reminder}'`);
  await server.sql(`UPDATE users SET time_zone = 'posixrules' WHERE email = '${user.email}'`);
  return { entry, text, reminder };
}

const errorMessage = (page: Page) => page.getByText('Something went wrong');

test('an entry in an unknown time zone is read and edited @main', async ({ page, server, user }) => {
  const { entry, text } = await createInUnknownZones(server, user);
  await signIn(page, user);
  await expect(page.getByText("This browser doesn't know your time zone “posixrules”.")).toBeVisible();
  // In Berlin the time would be 09:00.
  await expect(page.getByRole('article')).toContainText('08:00 UTC');
  await expectAccessible(page);
  for (const address of [
    '/calendar',
    '/on-this-day',
    `/search?q=machine`,
    '/statistics',
    '/tags',
    '/settings/tokens',
    '/settings/security',
  ]) {
    await page.goto(address);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await expect(page.getByText('One moment…')).toHaveCount(0);
    await expect(errorMessage(page)).toHaveCount(0);
  }

  await page.goto(`/entries/${entry}`);
  await expect(page.getByText(text)).toBeVisible();
  await expect(
    page.getByText("This browser doesn't know the time zone “localtime”. Day and time are shown in UTC."),
  ).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('link', { name: 'Edit' }).click();
  await expect(page.getByText("This browser doesn't know the time zone “localtime”.")).toBeVisible();
  await appendText(page, ', continued.');
  await expect(saved(page)).toBeVisible();
  expect(await user.api('GET', `/api/journals/${entry}`)).toMatchObject({
    content: `${text}, continued.`,
    entry_zone: 'localtime',
  });

  // A restored entry gets a known time zone.
  await page.goto(`/entries/${entry}`);
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByText(`${text}, continued.`)).toBeVisible();
  expect(await user.api('GET', `/api/journals/${entry}`)).toMatchObject({ entry_zone: 'UTC' });
});

test('a user in an unknown time zone writes, edits a reminder, and changes to a known time zone', async ({
  page,
  server,
  user,
}) => {
  const { reminder } = await createInUnknownZones(server, user);
  await signIn(page, user);
  const id = await writeNewEntry(page, 'New.');
  await expect(saved(page)).toBeVisible();
  expect(await user.api('GET', `/api/journals/${id}`)).toMatchObject({ entry_zone: 'posixrules' });

  await page.goto('/reminders');
  await expect(page.getByText('Every day at 20:00')).toBeVisible();
  await expect(page.getByText("This browser doesn't know the time zone “Mars/Olympus”.")).toBeVisible();
  await page.getByRole('button', { name: `Edit “${reminder}”` }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('What to remind you of').fill('Renamed');
  await expect(dialog.getByRole('listitem')).toHaveCount(5);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('heading', { name: 'Renamed' })).toBeVisible();

  await page.goto('/settings');
  await page.getByLabel('Name').fill('Ada L.');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Saved', { exact: true })).toBeVisible();
  expect(await user.api('GET', '/api/users/me')).toMatchObject({ full_name: 'Ada L.', time_zone: 'posixrules' });
  await page.getByRole('button', { name: 'Use it' }).click();
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText(/doesn't know your time zone/)).toHaveCount(0);
  expect(await user.api('GET', '/api/users/me')).toMatchObject({ time_zone: 'Europe/Berlin' });
});

test('the notes about time zones are also in German', async ({ page, server, user }) => {
  const { entry } = await createInUnknownZones(server, user);
  await user.api('PUT', '/api/users/me', { preferences: { language: 'de' } });
  await signIn(page, user);
  await expect(page.getByText('Dieser Browser kennt deine Zeitzone „posixrules“ nicht.')).toBeVisible();
  await page.goto(`/entries/${entry}`);
  await expect(
    page.getByText('Dieser Browser kennt die Zeitzone „localtime“ nicht. Tag und Uhrzeit stehen in UTC.'),
  ).toBeVisible();
});
