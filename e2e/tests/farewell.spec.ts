/** Who deletes their account leaves nothing behind in the browser either. */

import { onDevice } from '../support/device';
import { expect as quick, newUser, signIn, test, type Page, type User } from '../support/test';

// A recording takes its time, and the machine may be busy.
const expect = quick.configure({ timeout: 30_000 });
test.describe.configure({ timeout: 120_000 });

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

/** Whose rows lie in this browser, by store. */
async function owners(page: Page): Promise<Record<string, string[]>> {
  const stores = Object.entries(await onDevice(page));
  return Object.fromEntries(stores.map(([store, rows]) => [store, [...new Set(rows.map(({ user }) => user))]]));
}

/** Writes what the server does not get. */
async function writeDraft(page: Page, text: string): Promise<void> {
  await page.goto('/write');
  await page.locator('.cm-content').click();
  await page.keyboard.type(text);
  await expect.poll(async () => (await owners(page)).slots!.length).toBeGreaterThan(0);
}

test('drafts and recordings of a deleted account are gone, and those of somebody else stay', async ({ page, context, user, server, guard }) => {
  guard.allow(/ERR_FAILED/);
  await page.route('**/api/journals/', (route) => (route.request().method() === 'POST' ? route.abort() : route.continue()));
  const ben: User = await newUser(server.url);
  await signIn(page, ben);
  await writeDraft(page, 'Of Ben.');
  await page.goto('/more');
  await button(page, 'Sign out').click();
  await expect(page).toHaveURL('/login');
  await expect.poll(() => owners(page)).toMatchObject({ slots: [ben.id], keys: [] });

  await signIn(page, user);
  await writeDraft(page, 'Of somebody who leaves.');
  await button(page, 'Record').click();
  await expect(page.getByRole('timer')).toHaveText(/0:0[2-9]/);
  await button(page, 'Done').click();
  const both = [ben.id, user.id].sort();
  await expect.poll(async () => (await owners(page)).slots!.sort()).toEqual(both);
  expect(await owners(page)).toMatchObject({ keys: [user.id], takes: [user.id], pieces: [user.id] });

  // Another tab, in which something is being written meanwhile.
  const other = await context.newPage();
  await other.route('**/api/journals/', (route) => (route.request().method() === 'POST' ? route.abort() : route.continue()));
  await writeDraft(other, 'There too.');

  await page.goto('/settings/data');
  await button(page, 'Delete the account …').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Your password, to be sure').fill(user.password);
  await dialog.getByRole('button', { name: 'Delete everything' }).click();
  await expect(page).toHaveURL('/goodbye');
  const bens = { slots: [ben.id], asides: [], keys: [], takes: [], pieces: [] };
  expect(await owners(page)).toEqual(bens);
  await other.locator('.cm-content').click();
  await other.keyboard.type(' And more.');
  await expect(other.getByText('This device cannot keep the text safely.')).toBeVisible();
  expect(await owners(page)).toEqual(bens);
});
