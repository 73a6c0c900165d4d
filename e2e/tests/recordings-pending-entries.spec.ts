/** Pending recordings whose entry is moved, discarded or deleted. */

import {
  blockNewEntries,
  button,
  durationPattern,
  goTo,
  goToRecordingButton,
  NO_PENDING_ROWS,
  pendingRecording,
  pendingRows,
  player,
  startRecording,
} from '../support/recordings';
import { createTag } from '../support/secret';
import { expect, expectAccessible, pictures, signIn, test, type Page, type User } from '../support/test';
import { newEntry } from '../support/writing';

test('an entry with a pending recording cannot move under a secret tag until the recording is discarded', async ({
  page,
  user,
}) => {
  const patient = expect.configure({ timeout: 60_000 });
  await newEntry(user, 'A day.');
  await signIn(page, user);
  await createTag(page);
  await goTo(page, 'Journal');
  await page.getByRole('link', { name: /A day/ }).click();
  await page.getByRole('link', { name: 'Edit' }).click();
  await startRecording(page);
  await button(page, 'Done').click();
  await expect(pendingRecording(page)).toBeVisible();
  await goTo(page, 'Journal');
  await page.getByRole('link', { name: /A day/ }).click();
  const dialog = page.getByRole('dialog', { name: 'Move to…' });
  await button(page, 'Move').click();
  await expect(dialog).toContainText("A recording of this entry hasn't been saved yet");
  await expect(dialog.getByRole('button', { name: 'Move it' })).toHaveCount(0);
  await expectAccessible(page);
  await page.keyboard.press('Escape');

  await goToRecordingButton(page).click();
  await button(page, 'Discard').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
  await expect.poll(() => pendingRows(page)).toEqual(NO_PENDING_ROWS);
  await goTo(page, 'Journal');
  await page.getByRole('link', { name: /A day/ }).click();
  await button(page, 'Move').click();
  await dialog.getByRole('button', { name: 'Move it' }).click();
  await patient(dialog).toHaveCount(0);
  await goTo(page, 'Journal');
  await expect(page.getByRole('link', { name: /A day/ })).toHaveCount(0);
});

test('a recording saved elsewhere after the page was loaded is not deleted by a move', async ({
  page,
  user,
  otherBrowser,
}) => {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await createTag(page);
  await goTo(page, 'Journal');
  await page.getByRole('link', { name: /A day/ }).click();
  await button(page, 'Move').click();
  const dialog = page.getByRole('dialog', { name: 'Move to…' });
  await expect(dialog.getByRole('button', { name: 'Move it' })).toBeVisible();

  const other = await otherBrowser();
  await signIn(other, user);
  await other.goto(`/entries/${id}/edit`);
  await startRecording(other);
  await button(other, 'Done').click();
  await button(other, 'Save').click();
  await expect(other.getByText('Recording saved.')).toBeVisible();

  await dialog.getByRole('button', { name: 'Move it' }).click();
  await expect(dialog).toContainText("This entry has a recording, which can't move with it.");
  await other.reload();
  await expect(player(other)).toBeVisible();
});

test('a new entry with a recording cannot be put under a secret tag', async ({ page, user }) => {
  await signIn(page, user);
  await createTag(page);
  // The permission prompt of the browser stays open.
  await page.evaluate(() => {
    const devices = navigator.mediaDevices;
    const ask = devices.getUserMedia.bind(devices);
    devices.getUserMedia = async (wanted) => {
      await new Promise((answerPrompt) => Object.assign(window, { answerPrompt }));
      return ask(wanted);
    };
  });
  await goTo(page, 'Write');
  await button(page, 'Record').click();
  await expect(page.getByText('Your browser is asking')).toBeVisible();
  const placeField = page.getByRole('combobox', { name: 'Where to save it' });
  await placeField.selectOption({ index: 1 });
  await expect(page.getByText("A recording of this entry hasn't been saved yet")).toBeVisible();
  await expect(placeField).toHaveValue('');
  await page.evaluate(() => (window as unknown as { answerPrompt: () => void }).answerPrompt());
  await expect(page.getByRole('timer')).toBeVisible();
});

/** Whether a microphone that this page has opened is still on. */
const isMicrophoneOn = (page: Page) =>
  page.evaluate(() =>
    (window as unknown as { tracks: MediaStreamTrack[] }).tracks.some(({ readyState }) => readyState === 'live'),
  );
const watchMicrophone = (page: Page) =>
  page.addInitScript(() => {
    const tracks: MediaStreamTrack[] = [];
    Object.assign(window, { tracks });
    const { mediaDevices } = navigator;
    const ask = mediaDevices?.getUserMedia.bind(mediaDevices);
    if (ask)
      mediaDevices.getUserMedia = async (wanted) => {
        const stream = await ask(wanted);
        tracks.push(...stream.getTracks());
        return stream;
      };
  });

test('discarding a draft discards its recording and turns off the microphone', async ({ page, user, guard }) => {
  guard.allow(/ERR_FAILED/);
  await watchMicrophone(page);
  await signIn(page, user);
  await blockNewEntries(page);
  await page.goto('/write');
  await startRecording(page);
  await goTo(page, 'Journal');
  await expect(goToRecordingButton(page)).toBeVisible();
  await expect.poll(() => isMicrophoneOn(page)).toBe(true);
  await goTo(page, 'Write');
  await button(page, 'Discard').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(goToRecordingButton(page)).toHaveCount(0);
  await expect.poll(() => isMicrophoneOn(page)).toBe(false);
  await expect.poll(() => pendingRows(page)).toEqual(NO_PENDING_ROWS);
});

test('deleting an entry warns about its pending recording, and deletes both', async ({ page, user }) => {
  await newEntry(user, 'A day.');
  await watchMicrophone(page);
  await signIn(page, user);
  await page.goto('/');
  await page.getByRole('link', { name: /A day/ }).click();
  await page.getByRole('link', { name: 'Edit' }).click();
  await startRecording(page);
  await goTo(page, 'Journal');
  await page.getByRole('link', { name: /A day/ }).click();
  await page.getByRole('button', { name: 'Delete' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText("A recording that hasn't been saved yet will be deleted too");
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByText('Entry deleted')).toBeVisible();
  await expect(goToRecordingButton(page)).toHaveCount(0);
  await expect.poll(() => isMicrophoneOn(page)).toBe(false);
  await expect.poll(() => pendingRows(page)).toEqual(NO_PENDING_ROWS);

  // The restored entry has a new recorder.
  await button(page, 'Undo').click();
  await page.getByRole('link', { name: 'Edit' }).click();
  await expect(button(page, 'Record')).toBeVisible();
  await expect(pendingRecording(page)).toHaveCount(0);
});

/** Creates an entry and makes a pending recording on its page. Returns the id of the entry. */
async function leavePendingRecording(page: Page, user: User): Promise<string> {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await startRecording(page);
  await button(page, 'Done').click();
  await expect(pendingRecording(page)).toBeVisible();
  return id;
}

/** Deletes the entry as another browser would do. This device is not notified. */
const deleteElsewhere = (user: User, id: string) => user.api('DELETE', `/api/journals/${id}`);

test('a pending recording whose entry was deleted is listed on the page for a new entry, and becomes a new entry', async ({
  page,
  user,
  guard,
}) => {
  guard.allow(/status of 404/);
  const id = await leavePendingRecording(page, user);
  await deleteElsewhere(user, id);

  await page.goto('/write');
  const link = page.getByRole('link', { name: new RegExp(`^Recording, ${durationPattern(2)}$`) });
  await expect(link).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'recording-pending-listed');
  await link.click();
  await expect(page.getByText('The entry of this recording was deleted.')).toBeVisible();
  await expect(pendingRecording(page)).toBeVisible();
  // The page is for a new entry, not a copy of the deleted one.
  await expect(page.locator('.cm-content')).not.toContainText('A day.');
  await pictures(page, 'recording-pending-new-entry');
  await button(page, 'Save').click();
  await expect(page.getByText('Recording saved.')).toBeVisible();
  await expect.poll(() => pendingRows(page)).toEqual(NO_PENDING_ROWS);
  const [entry] = await user.api<{ id: string; title: string }[]>('GET', '/api/journals/');
  expect(entry!.title).toMatch(/^Recording, /);
  expect(entry!.id).not.toBe(id);
});

test('discarding a recording deletes an entry that exists only for it, and keeps an entry with other content', async ({
  page,
  user,
}) => {
  const all = () => user.api<any[]>('GET', '/api/journals/');
  const discard = async () => {
    await button(page, 'Discard').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
  };
  await signIn(page, user);
  await page.goto('/write');
  await startRecording(page);
  await expect.poll(async () => (await all()).length).toBe(1);
  await discard();
  await expect(page.getByRole('textbox', { name: 'Title' })).toHaveValue('');
  await expect.poll(all).toEqual([]);
  // The page can be used as before.
  await page.getByRole('textbox', { name: 'Title' }).fill('Written');
  await expect.poll(async () => (await all()).map(({ title }) => title)).toEqual(['Written']);
  await startRecording(page);
  await discard();
  await goTo(page, 'Journal');
  await expect(page.getByRole('link', { name: 'Written' })).toBeVisible();
  expect((await all()).map(({ title }) => title)).toEqual(['Written']);
});

test('a pending recording is discarded from the list', async ({ page, user }) => {
  const id = await leavePendingRecording(page, user);
  await goTo(page, 'Write');
  await expect(page.getByRole('link', { name: /^Recording, / })).toHaveAttribute('href', `/entries/${id}/edit`);
  await button(page, 'Discard').click();
  const dialog = page.getByRole('dialog', { name: 'Discard this recording?' });
  await dialog.getByRole('button', { name: 'Discard' }).click();
  await expect(page.getByRole('link', { name: /^Recording, / })).toHaveCount(0);
  await expect(goToRecordingButton(page)).toHaveCount(0);
  await expect.poll(() => pendingRows(page)).toEqual(NO_PENDING_ROWS);
});

test('a recording whose entry is deleted while open is saved in a new entry with the same text', async ({
  page,
  user,
  guard,
}) => {
  guard.allow(/status of 404/);
  const id = await leavePendingRecording(page, user);
  await deleteElsewhere(user, id);
  await button(page, 'Save').click();
  await expect(page.getByRole('alert')).toContainText('The entry no longer exists');
  await pictures(page, 'recording-pending-entry-deleted');
  await button(page, 'Continue in a new entry').click();
  await expect(page).not.toHaveURL(new RegExp(id));
  await button(page, 'Save').click();
  await expect(page.getByText('Recording saved.')).toBeVisible();
  await expect
    .poll(async () => (await user.api<any[]>('GET', '/api/journals/')).map(({ content }) => content))
    .toEqual(['A day.']);
  await expect.poll(() => pendingRows(page)).toEqual(NO_PENDING_ROWS);
  await page.reload();
  await expect(player(page)).toBeVisible();
});
