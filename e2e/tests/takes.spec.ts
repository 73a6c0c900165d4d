/** Recordings that are not kept yet: they wait on this device, through a reload and a crash, until somebody decides. */

import { at, backToIt, beginRecording, button, cutOff, expect, goTo, NOTHING, player, stored, waiting } from '../support/recordings';
import { make, openAs, PHRASE } from '../support/secret';
import { expectAccessible, pictures, signIn, test, type Page } from '../support/test';
import { newEntry } from '../support/writing';

test.describe.configure({ timeout: 180_000 });

const found = (page: Page) => page.getByText(/^Recorded on .*, and not kept yet\.$/);

test('one is recorded, the page loaded again, and then it is listened to and kept', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/write');
  await beginRecording(page);
  await button(page, 'Done').click();
  await expect(waiting(page)).toBeVisible();
  await expect(page).toHaveURL(/\/edit$/);
  await expect(page.getByText(/^Saved at/)).toBeVisible();
  expect(await stored(page)).toMatchObject({ takes: 1, plain: false });

  // Nothing is lost by that, so nobody is asked.
  page.on('dialog', (dialog) => {
    throw new Error(`asked: ${dialog.type()}`);
  });
  await page.reload();
  await expect(waiting(page)).toBeVisible();
  await expect(found(page)).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'takes-found');
  await button(page, 'Play').click();
  await expect.poll(() => at(page)).toBeGreaterThan(0.5);
  await button(page, 'Keep').click();
  await expect(page.getByText('The recording is kept.')).toBeVisible();
  expect(await stored(page)).toEqual(NOTHING);
  await page.reload();
  await expect(player(page)).toContainText(/0:00\s\/\s0:0[2-9]/);
  await expect(waiting(page)).toHaveCount(0);
});

test('a browser that crashes in the middle leaves what was recorded up to then, until it is discarded', async ({ page, context, user }) => {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await beginRecording(page, 4);
  const crashed = page.waitForEvent('crash');
  page.goto('chrome://crash').catch(() => {});
  await crashed;

  const again = await context.newPage();
  await again.goto(`/entries/${id}/edit`);
  await expect(waiting(again)).toContainText(/\/\s0:0[2-9]/);
  await button(again, 'Play').click();
  await expect.poll(() => at(again)).toBeGreaterThan(1);
  await button(again, 'Discard').click();
  await again.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
  await expect(button(again, 'Record')).toBeVisible();
  await expect.poll(() => stored(again)).toEqual(NOTHING);
  await again.reload();
  await expect(button(again, 'Record')).toBeVisible();
  await expect(waiting(again)).toHaveCount(0);
});

test('under a secret tag it waits, encrypted, until that is opened again', async ({ page, user }) => {
  // A phrase is stretched here.
  const patient = expect.configure({ timeout: 60_000 });
  await signIn(page, user);
  await make(page);
  await page.locator('main').getByRole('button', { name: 'Write' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill('Spoken softly');
  await patient(page.getByText(/^Saved at/)).toBeVisible();
  await beginRecording(page);
  // In the middle of it, everything is closed.
  await page.keyboard.press('F9');
  await expect(page).toHaveURL('/');
  await expect(page.getByText(/recording/i)).toHaveCount(0);
  expect(await stored(page)).toMatchObject({ takes: 1, plain: false });
  await page.reload();

  await openAs(page, PHRASE);
  await page.getByRole('link', { name: /Spoken softly/ }).click();
  await page.getByRole('link', { name: 'Edit' }).click();
  await patient(waiting(page)).toContainText(/\/\s0:0[2-9]/);
  await button(page, 'Keep').click();
  await patient(page.getByText('The recording is kept.')).toBeVisible();
  await patient(player(page)).toContainText(/\/\s0:0[2-9]/);
  expect(await stored(page)).toEqual(NOTHING);
});

test('without room on the device this is said, and the recording is there as long as the tab', async ({ page, user }) => {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await button(page, 'Record').click();
  await expect.poll(() => stored(page)).toMatchObject({ takes: 1 });
  await page.evaluate(() => {
    const putting = IDBObjectStore.prototype.put;
    IDBObjectStore.prototype.put = function (this: IDBObjectStore, ...row: [any]) {
      if (this.name === 'pieces') throw new DOMException('full', 'QuotaExceededError');
      return putting.apply(this, row);
    };
  });
  await expect(page.getByText('This device cannot store the recording')).toBeVisible();
  await expectAccessible(page);
  await expect(page.getByRole('timer')).toHaveText(/0:0[2-9]/);
  await button(page, 'Done').click();
  await expect(page.getByText('This device cannot store the recording')).toBeVisible();
  expect(await stored(page)).toEqual(NOTHING);

  const asked = page.waitForEvent('dialog');
  page.reload().catch(() => {});
  await (await asked).dismiss();
  await button(page, 'Keep').click();
  await expect(page.getByText('The recording is kept.')).toBeVisible();
});

test('one on a page without a word is there when one comes back, and is kept', async ({ page, user, guard }) => {
  guard.allow(/ERR_FAILED/);
  await signIn(page, user);
  const connect = await cutOff(page);
  await page.goto('/write');
  await beginRecording(page);
  await page.getByRole('textbox', { name: 'Title' }).fill('');
  await button(page, 'Done').click();
  await expect(waiting(page)).toBeVisible();
  await goTo(page, 'Journal');
  await expect(page.getByText('Until then it stays on this device.')).toBeVisible();
  expect(await stored(page)).toMatchObject({ takes: 1, plain: false });

  await backToIt(page).click();
  await expect(waiting(page)).toBeVisible();
  await expect(backToIt(page)).toHaveCount(0);
  await page.reload();
  await expect(waiting(page)).toBeVisible();
  await connect();
  await button(page, 'Keep').click();
  await expect(page.getByText('The recording is kept.')).toBeVisible();
  await expect(page.getByRole('textbox', { name: 'Title' })).toHaveValue(/^Recording, /);
  expect(await stored(page)).toEqual(NOTHING);
});
