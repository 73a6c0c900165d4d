/** Recordings that are not kept yet, when their entry is moved, thrown away or deleted. */

import { backToIt, beginRecording, button, cutOff, expect, goTo, NOTHING, player, stored, waiting } from '../support/recordings';
import { make } from '../support/secret';
import { expectAccessible, pictures, signIn, test, type Page, type User } from '../support/test';
import { newEntry } from '../support/writing';

test.describe.configure({ timeout: 180_000 });

test('its entry moves under a secret tag once it is kept or discarded, not before', async ({ page, user }) => {
  const patient = expect.configure({ timeout: 60_000 });
  await newEntry(user, 'A day.');
  await signIn(page, user);
  await make(page);
  await goTo(page, 'Journal');
  await page.getByRole('link', { name: /A day/ }).click();
  await page.getByRole('link', { name: 'Edit' }).click();
  await beginRecording(page);
  await button(page, 'Done').click();
  await expect(waiting(page)).toBeVisible();
  await goTo(page, 'Journal');
  await page.getByRole('link', { name: /A day/ }).click();
  const dialog = page.getByRole('dialog', { name: 'Where shall it be?' });
  await button(page, 'Move').click();
  await expect(dialog).toContainText('A recording of this entry is not kept yet');
  await expect(dialog.getByRole('button', { name: 'Move it' })).toHaveCount(0);
  await expectAccessible(page);
  await page.keyboard.press('Escape');

  await backToIt(page).click();
  await button(page, 'Discard').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
  await expect.poll(() => stored(page)).toEqual(NOTHING);
  await goTo(page, 'Journal');
  await page.getByRole('link', { name: /A day/ }).click();
  await button(page, 'Move').click();
  await dialog.getByRole('button', { name: 'Move it' }).click();
  await patient(dialog).toHaveCount(0);
  await goTo(page, 'Journal');
  await expect(page.getByRole('link', { name: /A day/ })).toHaveCount(0);
});

test('one that was kept elsewhere since the page was loaded is not deleted by a move', async ({ page, user, otherBrowser }) => {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await make(page);
  await goTo(page, 'Journal');
  await page.getByRole('link', { name: /A day/ }).click();
  await button(page, 'Move').click();
  const dialog = page.getByRole('dialog', { name: 'Where shall it be?' });
  await expect(dialog.getByRole('button', { name: 'Move it' })).toBeVisible();

  const other = await otherBrowser();
  await signIn(other, user);
  await other.goto(`/entries/${id}/edit`);
  await beginRecording(other);
  await button(other, 'Done').click();
  await button(other, 'Keep').click();
  await expect(other.getByText('The recording is kept.')).toBeVisible();

  await dialog.getByRole('button', { name: 'Move it' }).click();
  await expect(dialog).toContainText('This entry has a recording, which cannot move with it.');
  await other.reload();
  await expect(player(other)).toBeVisible();
});

test('where a new page is kept is not changed while something is recorded for it', async ({ page, user }) => {
  await signIn(page, user);
  await make(page);
  // The browser asks, and nobody answers yet.
  await page.evaluate(() => {
    const devices = navigator.mediaDevices;
    const ask = devices.getUserMedia.bind(devices);
    devices.getUserMedia = async (wanted) => {
      await new Promise((answer) => Object.assign(window, { answer }));
      return ask(wanted);
    };
  });
  await goTo(page, 'Write');
  await button(page, 'Record').click();
  await expect(page.getByText('Your browser asks')).toBeVisible();
  const under = page.getByRole('combobox', { name: 'Where it is kept' });
  await under.selectOption({ index: 1 });
  await expect(page.getByText('A recording of this entry is not kept yet')).toBeVisible();
  await expect(under).toHaveValue('');
  await page.evaluate(() => (window as unknown as { answer: () => void }).answer());
  await expect(page.getByRole('timer')).toBeVisible();
});

/** Whether any microphone that this page has opened is still on. */
const listening = (page: Page) => page.evaluate(() => (window as unknown as { tracks: MediaStreamTrack[] }).tracks.some(({ readyState }) => readyState === 'live'));
const watchMicrophone = (page: Page) =>
  page.addInitScript(() => {
    const tracks: MediaStreamTrack[] = [];
    Object.assign(window, { tracks });
    const { mediaDevices } = navigator;
    const ask = mediaDevices?.getUserMedia.bind(mediaDevices);
    if (ask) mediaDevices.getUserMedia = async (wanted) => {
      const stream = await ask(wanted);
      tracks.push(...stream.getTracks());
      return stream;
    };
  });

test('a draft that is thrown away takes its recording along, and lets go of the microphone', async ({ page, user, guard }) => {
  guard.allow(/ERR_FAILED/);
  await watchMicrophone(page);
  await signIn(page, user);
  await cutOff(page);
  await page.goto('/write');
  await beginRecording(page);
  await goTo(page, 'Journal');
  await expect(backToIt(page)).toBeVisible();
  expect(await listening(page)).toBe(true);
  await goTo(page, 'Write');
  await button(page, 'Throw away').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Throw away' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(backToIt(page)).toHaveCount(0);
  await expect.poll(() => listening(page)).toBe(false);
  expect(await stored(page)).toEqual(NOTHING);
});

test('who deletes an entry is told of its recording that is not kept, and both go', async ({ page, user }) => {
  await newEntry(user, 'A day.');
  await watchMicrophone(page);
  await signIn(page, user);
  await page.goto('/');
  await page.getByRole('link', { name: /A day/ }).click();
  await page.getByRole('link', { name: 'Edit' }).click();
  await beginRecording(page);
  await goTo(page, 'Journal');
  await page.getByRole('link', { name: /A day/ }).click();
  await page.getByRole('button', { name: 'Delete' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('A recording of it that is not kept yet is on this device.');
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByText('Entry deleted')).toBeVisible();
  await expect(backToIt(page)).toHaveCount(0);
  expect(await listening(page)).toBe(false);
  expect(await stored(page)).toEqual(NOTHING);

  // It comes back with a recorder of its own.
  await button(page, 'Undo').click();
  await page.getByRole('link', { name: 'Edit' }).click();
  await expect(button(page, 'Record')).toBeVisible();
  await expect(waiting(page)).toHaveCount(0);
});

/** An entry, and on its page a recording that is not kept. */
async function leaveWaiting(page: Page, user: User): Promise<string> {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await beginRecording(page);
  await button(page, 'Done').click();
  await expect(waiting(page)).toBeVisible();
  return id;
}

/** Deletes it as another browser would: nothing on this device hears of it. */
const deleteElsewhere = (user: User, id: string) => user.api('DELETE', `/api/journals/${id}`);

test('one whose entry is no more is found on the page for a new one, and makes a new entry', async ({ page, user, guard }) => {
  guard.allow(/status of 404/);
  const id = await leaveWaiting(page, user);
  await deleteElsewhere(user, id);

  await page.goto('/write');
  const link = page.getByRole('link', { name: /^Recording, 0:0[2-9]$/ });
  await expect(link).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'takes-listed');
  await link.click();
  await expect(page.getByText('The entry of this recording was deleted.')).toBeVisible();
  await expect(waiting(page)).toBeVisible();
  // The page for it is a new one, not a copy of it.
  await expect(page.locator('.cm-content')).not.toContainText('A day.');
  await pictures(page, 'takes-anew');
  await button(page, 'Keep').click();
  await expect(page.getByText('The recording is kept.')).toBeVisible();
  expect(await stored(page)).toEqual(NOTHING);
  const [entry] = await user.api<{ id: string; title: string }[]>('GET', '/api/journals/');
  expect(entry!.title).toMatch(/^Recording, /);
  expect(entry!.id).not.toBe(id);
});

test('one that is discarded leaves no entry that was there for it alone, and leaves what was written besides', async ({ page, user }) => {
  const all = () => user.api<any[]>('GET', '/api/journals/');
  const discard = async () => {
    await button(page, 'Discard').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
  };
  await signIn(page, user);
  await page.goto('/write');
  await beginRecording(page);
  await expect.poll(async () => (await all()).length).toBe(1);
  await discard();
  await expect(page.getByRole('textbox', { name: 'Title' })).toHaveValue('');
  expect(await all()).toEqual([]);
  // The page goes on as it began.
  await page.getByRole('textbox', { name: 'Title' }).fill('Written');
  await expect.poll(async () => (await all()).map(({ title }) => title)).toEqual(['Written']);
  await beginRecording(page);
  await discard();
  await goTo(page, 'Journal');
  await expect(page.getByRole('link', { name: 'Written' })).toBeVisible();
  expect((await all()).map(({ title }) => title)).toEqual(['Written']);
});

test('one that nobody wants any more is discarded from where it is listed', async ({ page, user }) => {
  const id = await leaveWaiting(page, user);
  await goTo(page, 'Write');
  await expect(page.getByRole('link', { name: /^Recording, / })).toHaveAttribute('href', `/entries/${id}/edit`);
  await button(page, 'Throw away').click();
  const dialog = page.getByRole('dialog', { name: 'Discard this recording?' });
  await dialog.getByRole('button', { name: 'Throw away' }).click();
  await expect(page.getByRole('link', { name: /^Recording, / })).toHaveCount(0);
  await expect(backToIt(page)).toHaveCount(0);
  expect(await stored(page)).toEqual(NOTHING);
});

test('one whose entry is deleted while it is open is kept in a new one, with the text that is there', async ({ page, user, guard }) => {
  guard.allow(/status of 404/);
  const id = await leaveWaiting(page, user);
  await deleteElsewhere(user, id);
  await button(page, 'Keep').click();
  await expect(page.getByRole('alert')).toContainText('The entry is not there any more');
  await pictures(page, 'takes-gone');
  await button(page, 'Go on in a new entry').click();
  await expect(page).not.toHaveURL(new RegExp(id));
  await button(page, 'Keep').click();
  await expect(page.getByText('The recording is kept.')).toBeVisible();
  expect((await user.api<any[]>('GET', '/api/journals/')).map(({ content }) => content)).toEqual(['A day.']);
  expect(await stored(page)).toEqual(NOTHING);
  await page.reload();
  await expect(player(page)).toBeVisible();
});
