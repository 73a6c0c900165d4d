/**
 * Pending recordings stay on this device, through a reload and a crash, until the user saves or discards them.
 */

import {
  beginningOf,
  blockNewEntries,
  button,
  goTo,
  goToRecordingButton,
  lengthOf,
  NO_PENDING_ROWS,
  pendingRecording,
  pendingRows,
  playbackPosition,
  player,
  startRecording,
  waitUntilRecorded,
} from '../support/recordings';
import { createTag, PHRASE, unlock } from '../support/secret';
import { expect, expectAccessible, pictures, signIn, test, type Page } from '../support/test';
import { newEntry } from '../support/writing';

const notSavedNotice = (page: Page) => page.getByText(/^Recorded on .*, and not saved yet\.$/);

test('a pending recording survives a reload, is played back and saved', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/write');
  await startRecording(page);
  await button(page, 'Done').click();
  await expect(pendingRecording(page)).toBeVisible();
  await expect(page).toHaveURL(/\/edit$/);
  await expect(page.getByText(/^Saved at/)).toBeVisible();
  await expect.poll(() => pendingRows(page)).toMatchObject({ recordings: 1, plain: false });

  // A reload loses nothing, so the browser must not ask.
  page.on('dialog', (dialog) => {
    throw new Error(`unexpected dialog: ${dialog.type()}`);
  });
  await page.reload();
  await expect(pendingRecording(page)).toBeVisible();
  await expect(notSavedNotice(page)).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'recording-pending-after-reload');
  await button(page, 'Play').click();
  await expect.poll(() => playbackPosition(page)).toBeGreaterThan(0.5);
  await button(page, 'Save').click();
  await expect(page.getByText('Recording saved.')).toBeVisible();
  await expect.poll(() => pendingRows(page)).toEqual(NO_PENDING_ROWS);
  await page.reload();
  await expect(player(page)).toContainText(beginningOf(2));
  await expect(pendingRecording(page)).toHaveCount(0);
});

test('a recording survives a crash until it is discarded', async ({ page, context, user }) => {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await startRecording(page);
  // Each chunk is one second long. The first ones must be on the device before the crash.
  await expect.poll(async () => (await pendingRows(page)).chunks).toBeGreaterThan(2);
  const crashed = page.waitForEvent('crash');
  page.goto('chrome://crash').catch(() => {});
  await crashed;

  const newPage = await context.newPage();
  await newPage.goto(`/entries/${id}/edit`);
  await expect(pendingRecording(newPage)).toContainText(lengthOf(2));
  await button(newPage, 'Play').click();
  await expect.poll(() => playbackPosition(newPage)).toBeGreaterThan(1);
  await button(newPage, 'Discard').click();
  await newPage.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
  await expect(button(newPage, 'Record')).toBeVisible();
  await expect.poll(() => pendingRows(newPage)).toEqual(NO_PENDING_ROWS);
  await newPage.reload();
  await expect(button(newPage, 'Record')).toBeVisible();
  await expect(pendingRecording(newPage)).toHaveCount(0);
});

test('a recording under a secret tag stays encrypted on the device until the next unlock', async ({ page, user }) => {
  // Key stretching is slow on a busy machine.
  const patient = expect.configure({ timeout: 60_000 });
  await signIn(page, user);
  await createTag(page);
  await page.locator('main').getByRole('button', { name: 'Write' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill('Spoken softly');
  await patient(page.getByText(/^Saved at/)).toBeVisible();
  await startRecording(page);
  // Lock all tags during the recording.
  await page.keyboard.press('F9');
  await expect(page).toHaveURL('/');
  await expect(page.getByText(/recording/i)).toHaveCount(0);
  await expect.poll(() => pendingRows(page)).toMatchObject({ recordings: 1, plain: false });
  await page.reload();

  await unlock(page, PHRASE);
  await page.getByRole('link', { name: /Spoken softly/ }).click();
  await page.getByRole('link', { name: 'Edit' }).click();
  await patient(pendingRecording(page)).toContainText(lengthOf(2));
  await button(page, 'Save').click();
  await patient(page.getByText('Recording saved.')).toBeVisible();
  await patient(player(page)).toContainText(lengthOf(2));
  await expect.poll(() => pendingRows(page)).toEqual(NO_PENDING_ROWS);
});

test('a full device is reported, and the recording stays in the memory of the tab', async ({ page, user }) => {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await button(page, 'Record').click();
  await expect.poll(() => pendingRows(page)).toMatchObject({ recordings: 1 });
  await page.evaluate(() => {
    const originalPut = IDBObjectStore.prototype.put;
    IDBObjectStore.prototype.put = function (this: IDBObjectStore, ...row: [any]) {
      if (this.name === 'pieces') throw new DOMException('full', 'QuotaExceededError');
      return originalPut.apply(this, row);
    };
  });
  await expect(page.getByText("This device can't store the recording")).toBeVisible();
  await expectAccessible(page);
  await waitUntilRecorded(page, 2);
  await button(page, 'Done').click();
  await expect(page.getByText("This device can't store the recording")).toBeVisible();
  await expect.poll(() => pendingRows(page)).toEqual(NO_PENDING_ROWS);

  const confirmation = page.waitForEvent('dialog');
  page.reload().catch(() => {});
  await (await confirmation).dismiss();
  await button(page, 'Save').click();
  await expect(page.getByText('Recording saved.')).toBeVisible();
});

test('a recording of a new entry without text survives navigation and a reload, and is saved', async ({
  page,
  user,
  guard,
}) => {
  guard.allow(/ERR_FAILED/);
  await signIn(page, user);
  const connect = await blockNewEntries(page);
  await page.goto('/write');
  await startRecording(page);
  await page.getByRole('textbox', { name: 'Title' }).fill('');
  await button(page, 'Done').click();
  await expect(pendingRecording(page)).toBeVisible();
  await goTo(page, 'Journal');
  await expect(page.getByText('Until then it stays on this device.')).toBeVisible();
  await expect.poll(() => pendingRows(page)).toMatchObject({ recordings: 1, plain: false });

  await goToRecordingButton(page).click();
  await expect(pendingRecording(page)).toBeVisible();
  await expect(goToRecordingButton(page)).toHaveCount(0);
  await page.reload();
  await expect(pendingRecording(page)).toBeVisible();
  await connect();
  await button(page, 'Save').click();
  await expect(page.getByText('Recording saved.')).toBeVisible();
  await expect(page.getByRole('textbox', { name: 'Title' })).toHaveValue(/^Recording, /);
  await expect.poll(() => pendingRows(page)).toEqual(NO_PENDING_ROWS);
});
