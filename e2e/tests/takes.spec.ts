/** Recordings that are not kept yet: they wait on this device, through a reload and a crash, until somebody decides. */

import { onDevice } from '../support/device';
import { make, openAs, PHRASE } from '../support/secret';
import { expect as quick, expectAccessible, pictures, signIn, test, type Page, type User } from '../support/test';

// A recording takes its time, and the machine may be busy.
const expect = quick.configure({ timeout: 30_000 });
test.describe.configure({ timeout: 180_000 });

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
const player = (page: Page, name = 'Recording') => page.getByRole('group', { name, exact: true });
const waiting = (page: Page) => player(page, 'Recording, not kept yet');
const position = (page: Page) => page.getByRole('slider', { name: 'Position' });
const at = (page: Page) => position(page).evaluate((slider: HTMLInputElement) => slider.valueAsNumber);
const found = (page: Page) => page.getByText(/^Recorded on .*, and not kept yet\.$/);

async function newEntry(user: User): Promise<string> {
  const { id } = await user.api('POST', '/api/journals/', { content: 'A day.', entry_date: '2026-11-25T08:00:00Z' });
  return id;
}

/** Begins to record, and goes on for so many seconds. */
async function record(page: Page, seconds = 2): Promise<void> {
  await button(page, 'Record').click();
  await expect(page.getByRole('timer')).toHaveText(new RegExp(`0:0[${seconds}-9]`));
}

/** How much of recordings lies on this device: what is known of them, and their pieces. */
async function stored(page: Page) {
  const { takes = [], pieces = [] } = await onDevice(page);
  return { takes: takes.length, pieces: pieces.length, plain: pieces.some(({ text }) => /webm|Opus|matroska/i.test(text)) };
}

const NOTHING = { takes: 0, pieces: 0, plain: false };

test('one is recorded, the page loaded again, and then it is listened to and kept', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/write');
  await record(page);
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
  const id = await newEntry(user);
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await record(page, 4);
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
  await record(page);
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
  const id = await newEntry(user);
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

/** Goes there by the menu: what is open stays open, and what this tab has in memory. */
const goTo = (page: Page, name: string) => page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click();
const backToIt = (page: Page) => page.getByRole('button', { name: 'Back to it' });

/** From here on nothing that is written reaches the server; the answer lets it. */
async function cutOff(page: Page): Promise<() => Promise<void>> {
  await page.route('**/api/journals/', (route) => (route.request().method() === 'POST' ? route.abort() : route.continue()));
  return () => page.unroute('**/api/journals/');
}

test('one on a page without a word is there when one comes back, and is kept', async ({ page, user, guard }) => {
  guard.allow(/ERR_FAILED/);
  await signIn(page, user);
  const connect = await cutOff(page);
  await page.goto('/write');
  await record(page);
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

test('its entry moves under a secret tag once it is kept or discarded, not before', async ({ page, user }) => {
  const patient = expect.configure({ timeout: 60_000 });
  await newEntry(user);
  await signIn(page, user);
  await make(page);
  await goTo(page, 'Journal');
  await page.getByRole('link', { name: /A day/ }).click();
  await page.getByRole('link', { name: 'Edit' }).click();
  await record(page);
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
  const id = await newEntry(user);
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
  await record(other);
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
  await record(page);
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
  await newEntry(user);
  await watchMicrophone(page);
  await signIn(page, user);
  await page.goto('/');
  await page.getByRole('link', { name: /A day/ }).click();
  await page.getByRole('link', { name: 'Edit' }).click();
  await record(page);
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
  const id = await newEntry(user);
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await record(page);
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
  await record(page);
  await expect.poll(async () => (await all()).length).toBe(1);
  await discard();
  await expect(page.getByRole('textbox', { name: 'Title' })).toHaveValue('');
  expect(await all()).toEqual([]);
  // The page goes on as it began.
  await page.getByRole('textbox', { name: 'Title' }).fill('Written');
  await expect.poll(async () => (await all()).map(({ title }) => title)).toEqual(['Written']);
  await record(page);
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
