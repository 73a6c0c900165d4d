/** Deleting an account also deletes its data in the browser. */

import { deviceRows } from '../support/device';
import { waitUntilRecorded } from '../support/recordings';
import { expect, newUser, signIn, signOut, test, type Page, type User } from '../support/test';

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

/** The user ids in the draft database, by object store. */
async function owners(page: Page): Promise<Record<string, string[]>> {
  const stores = Object.entries(await deviceRows(page));
  return Object.fromEntries(stores.map(([store, rows]) => [store, [...new Set(rows.map(({ user }) => user))]]));
}

/** Writes a draft, which the blocked network keeps on the device. */
async function writeDraft(page: Page, text: string): Promise<void> {
  await page.goto('/write');
  await page.locator('.cm-content').click();
  await page.keyboard.type(text);
  await expect.poll(async () => (await owners(page)).drafts!.length).toBeGreaterThan(0);
}

test('drafts and recordings of a deleted account are deleted, and those of another user stay', async ({
  page,
  context,
  user,
  server,
  guard,
}) => {
  guard.allow(/ERR_FAILED/);
  await page.route('**/api/journals/', (route) =>
    route.request().method() === 'POST' ? route.abort() : route.continue(),
  );
  const ben: User = await newUser(server.url);
  await signIn(page, ben);
  await writeDraft(page, 'A day in the garden.');
  await signOut(page);
  await expect.poll(() => owners(page)).toMatchObject({ drafts: [ben.id], keys: [] });

  await signIn(page, user);
  await writeDraft(page, 'A day by the sea.');
  await button(page, 'Record').click();
  await waitUntilRecorded(page, 2);
  await button(page, 'Done').click();
  const both = [ben.id, user.id].sort();
  await expect.poll(async () => (await owners(page)).drafts!.sort()).toEqual(both);
  await expect.poll(() => owners(page)).toMatchObject({ keys: [user.id], recordings: [user.id], chunks: [user.id] });

  // A second tab with an unsent draft, which must not be stored again.
  const other = await context.newPage();
  await other.route('**/api/journals/', (route) =>
    route.request().method() === 'POST' ? route.abort() : route.continue(),
  );
  await writeDraft(other, 'An evening by the sea.');

  await page.goto('/settings/data');
  await button(page, 'Delete account…').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Confirm with your password').fill(user.password);
  await dialog.getByRole('button', { name: 'Delete everything' }).click();
  await expect(page).toHaveURL('/goodbye');
  const rowsOfBen = { drafts: [ben.id], conflictCopies: [], keys: [], recordings: [], chunks: [] };
  await expect.poll(() => owners(page)).toEqual(rowsOfBen);
  await other.locator('.cm-content').click();
  await other.keyboard.type(' And more.');
  await expect(other.getByText("This device can't store the text safely.")).toBeVisible();
  expect(await owners(page)).toEqual(rowsOfBen);
});
