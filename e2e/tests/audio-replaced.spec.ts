/** Recordings under a secret tag, when keeping one breaks off between its steps: the entry always has the key of what is there. */

import type { Guard } from '../support/guard';
import { button, player } from '../support/recordings';
import { make, openAs, PHRASE } from '../support/secret';
import { wav } from '../support/sound';
import { expect as quick, signIn, test, type Page } from '../support/test';

// A phrase is stretched and a recording sent, and the machine may be busy.
const expect = quick.configure({ timeout: 60_000 });
test.describe.configure({ timeout: 240_000 });

const ENTRY = /\/api\/journals\/[0-9a-f-]+$/;
const title = 'Spoken softly';

const choose = (page: Page, seconds: number) =>
  page.locator('input[type="file"]').setInputFiles({ name: `${seconds}.wav`, mimeType: 'audio/wav', buffer: wav(seconds) });

/** An entry under a new secret tag, open in the editor. */
async function write(page: Page): Promise<void> {
  await make(page);
  await page.locator('main').getByRole('button', { name: 'Write' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill(title);
  await expect(page.getByText(/^Saved at/)).toBeVisible();
}

async function keep(page: Page, seconds: number, name = 'Keep'): Promise<void> {
  await choose(page, seconds);
  await button(page, name).click();
  await expect(page.getByText('The recording is kept.').first()).toBeVisible();
}

/** Does not let the recording out, and closes the page: to the server, that is a browser that crashed. */
async function crashBeforeSending(page: Page, guard: Guard, act: () => Promise<void>): Promise<void> {
  guard.allow(/ERR_FAILED/);
  const reached = new Promise<void>((done) => {
    void page.route('**/audio', async (route) => {
      if (route.request().method() !== 'PUT') return route.continue();
      await route.abort();
      done();
    });
  });
  await act();
  await reached;
  await page.close({ runBeforeUnload: false });
}

/** The first byte of what is sealed: 1 with one key of a recording, 2 with two. */
const version = (entry: { encrypted_content: string }) => Buffer.from(entry.encrypted_content, 'base64url')[0]!;

/** That of each time that the entry is stored, or read. */
function versions(page: Page, method = 'PUT'): number[] {
  const seen: number[] = [];
  page.on('response', async (response) => {
    if (response.request().method() !== method || !ENTRY.test(response.url()) || !response.ok()) return;
    seen.push(version(await response.json()));
  });
  return seen;
}

async function openElsewhere(other: Page): Promise<void> {
  await openAs(other, PHRASE);
  await other.getByRole('link', { name: new RegExp(title) }).click();
}

/** How long the recording is that is shown. */
const lasts = (page: Page, seconds: number) => expect(player(page)).toContainText(new RegExp(`/\\s0:0${seconds}`));

test('one is replaced; in between the entry has both keys, and one of them in the end', async ({ page, user }) => {
  await signIn(page, user);
  await write(page);
  const sent = versions(page);
  await keep(page, 3);
  await expect.poll(() => sent).toEqual([1]);
  await lasts(page, 3);
  await keep(page, 5, 'Replace');
  await expect.poll(() => sent).toEqual([1, 2, 1]);
  await lasts(page, 5);
});

test('one that breaks off before it is sent leaves the one before, and the next takes its place', async ({ page, user, guard, otherBrowser }) => {
  await signIn(page, user);
  await write(page);
  await keep(page, 3);
  await choose(page, 5);
  await crashBeforeSending(page, guard, () => button(page, 'Replace').click());

  const other = await otherBrowser();
  await signIn(other, user);
  const read = versions(other, 'GET');
  await openElsewhere(other);
  await lasts(other, 3);
  await expect.poll(() => read).toContain(2);
  await other.getByRole('link', { name: 'Edit' }).click();
  await lasts(other, 3);
  await keep(other, 7, 'Replace');
  await lasts(other, 7);
});

test('one that breaks off after it is sent is there, and the next save leaves the old key out', async ({ page, user, guard, otherBrowser }) => {
  await signIn(page, user);
  await write(page);
  await keep(page, 3);
  await choose(page, 5);
  guard.allow(/ERR_FAILED/);
  // The entry gets out with both keys, and not again after that.
  let both = false;
  const stopped = new Promise<void>((done) => {
    void page.route(ENTRY, async (route) => {
      if (route.request().method() !== 'PUT') return route.continue();
      if (!both) {
        both = version(route.request().postDataJSON()) === 2;
        return route.continue();
      }
      await route.abort();
      done();
    });
  });
  const sent = page.waitForResponse((answer) => answer.url().endsWith('/audio') && answer.request().method() === 'PUT');
  await button(page, 'Replace').click();
  expect((await sent).ok()).toBe(true);
  // What is held when a page is closed may get out.
  await stopped;
  await page.close({ runBeforeUnload: false });

  const other = await otherBrowser();
  await signIn(other, user);
  const [read, saved] = [versions(other, 'GET'), versions(other)];
  await openElsewhere(other);
  await lasts(other, 5);
  await expect.poll(() => read).toContain(2);
  await other.getByRole('link', { name: 'Edit' }).click();
  await lasts(other, 5);
  await other.locator('.cm-content').click();
  await other.keyboard.type('Written as well.');
  await expect(other.getByText(/^Saved at/)).toBeVisible();
  await expect.poll(() => saved).toEqual([1]);
});

test('a first one that breaks off is told, and recorded again', async ({ page, user, guard, otherBrowser }) => {
  await signIn(page, user);
  await write(page);
  await choose(page, 3);
  await crashBeforeSending(page, guard, () => button(page, 'Keep').click());

  const other = await otherBrowser();
  await signIn(other, user);
  await openElsewhere(other);
  await expect(other.getByText('The recording of this entry is not there: it was not sent to its end.')).toBeVisible();
  await other.getByRole('link', { name: 'Edit' }).click();
  await expect(other.getByText('The recording of this entry is not there')).toBeVisible();
  await keep(other, 5, 'Replace');
  await lasts(other, 5);
});

test('one that is called back may have arrived: whichever is there opens', async ({ page, user, otherBrowser }) => {
  await signIn(page, user);
  await write(page);
  await keep(page, 3);
  const sent = versions(page);
  let held = () => {};
  const holding = new Promise<void>((done) => (held = done));
  await page.route('**/audio', (route) => (route.request().method() === 'PUT' ? held() : route.continue()));
  await choose(page, 5);
  await button(page, 'Replace').click();
  await holding;
  await button(page, 'Cancel').click();
  await expect(button(page, 'Cancel')).toHaveCount(0);
  await expect.poll(() => sent).toEqual([2]);
  const other = await otherBrowser();
  await signIn(other, user);
  await openElsewhere(other);
  await expect(player(other)).toContainText(/\/\s0:0[35]/);
});

test('one that arrived although it was called back opens on the page that did so', async ({ page, user }) => {
  await signIn(page, user);
  await write(page);
  await keep(page, 3);
  const sent = versions(page);
  let arrived = () => {};
  const arriving = new Promise<void>((done) => (arrived = done));
  await page.route('**/audio', async (route) => {
    if (route.request().method() !== 'PUT') return route.continue();
    // Its answer never gets back.
    const answer = await route.fetch();
    expect(answer.ok()).toBe(true);
    arrived();
  });
  await choose(page, 5);
  await button(page, 'Replace').click();
  await arriving;
  await button(page, 'Cancel').click();
  await expect(button(page, 'Cancel')).toHaveCount(0);
  await expect.poll(() => sent).toEqual([2]);
  // A file that was chosen is still where it was: nobody is asked.
  await button(page, 'Discard').click();
  await lasts(page, 5);
});

test('one that is refused leaves the entry as it was', async ({ page, user, guard }) => {
  guard.allow(/status of 507/);
  await signIn(page, user);
  await write(page);
  await keep(page, 3);
  const sent = versions(page);
  await page.route('**/audio', (route) => (route.request().method() === 'PUT' ? route.fulfill({ status: 507, json: {} }) : route.continue()));
  await choose(page, 5);
  await button(page, 'Replace').click();
  await expect(page.getByRole('alert')).toContainText('no room left');
  await expect.poll(() => sent).toEqual([2, 1]);
  await page.unroute('**/audio');
  await button(page, 'Try again').click();
  await lasts(page, 5);
  await expect.poll(() => sent).toEqual([2, 1, 2, 1]);
});
