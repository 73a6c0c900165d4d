/** Recordings that are not kept yet: they wait on this device, through a reload and a crash, until somebody decides. */

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
const stored = (page: Page) =>
  page.evaluate(async () => {
    const db = await new Promise<IDBDatabase>((done, failed) => {
      const opening = indexedDB.open('sotto');
      opening.onsuccess = () => done(opening.result);
      opening.onerror = () => failed(opening.error);
    });
    const all = (store: string) =>
      new Promise<any[]>((done) => {
        const asking = db.transaction(store).objectStore(store).getAll();
        asking.onsuccess = () => done(asking.result);
      });
    const [takes, pieces] = [await all('takes'), await all('pieces')];
    db.close();
    const text = pieces.map(({ box }) => new TextDecoder('latin1').decode(box.data)).join('');
    return { takes: takes.length, pieces: pieces.length, plain: /webm|Opus|matroska/i.test(text) };
  });

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
