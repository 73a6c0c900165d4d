/**
 * Recordings under a secret tag, when saving one is interrupted: the entry always has the key of the recording on the
 * server.
 */

import { bounded } from '../support/bounded';
import type { Guard } from '../support/guard';
import { button, player } from '../support/recordings';
import { createTag, PHRASE, unlock } from '../support/secret';
import { wav } from '../support/sound';
import { expect as baseExpect, signIn, test, type Page } from '../support/test';

// Key stretching and uploads are slow on a busy machine.
const expect = baseExpect.configure({ timeout: 60_000 });
const ENTRY = /\/api\/journals\/[0-9a-f-]+$/;
const title = 'Spoken softly';

const chooseFile = (page: Page, seconds: number) =>
  page
    .locator('input[type="file"]')
    .setInputFiles({ name: `${seconds}.wav`, mimeType: 'audio/wav', buffer: wav(seconds) });

/** Creates a secret tag with an entry, which is open in the editor. */
async function createSealedEntry(page: Page): Promise<void> {
  await createTag(page);
  await page.locator('main').getByRole('button', { name: 'Write' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill(title);
  await expect(page.getByText(/^Saved at/)).toBeVisible();
}

async function saveRecording(page: Page, seconds: number, name = 'Save'): Promise<void> {
  await chooseFile(page, seconds);
  await button(page, name).click();
  await expect(page.getByText('Recording saved.').first()).toBeVisible();
}

/** Blocks the upload and closes the page. To the server, this looks like a browser crash. */
async function crashBeforeUpload(page: Page, guard: Guard, startUpload: () => Promise<void>): Promise<void> {
  guard.allow(/ERR_FAILED/);
  const uploadBlocked = new Promise<void>((done) => {
    void page.route('**/audio', async (route) => {
      if (route.request().method() !== 'PUT') return route.continue();
      await route.abort();
      done();
    });
  });
  await startUpload();
  await bounded('the upload to start', uploadBlocked);
  await page.close({ runBeforeUnload: false });
}

/** The format version, the first byte of a sealed entry: 1 with one recording key, 2 with two. */
const formatVersion = (entry: { encrypted_content: string }) => Buffer.from(entry.encrypted_content, 'base64url')[0]!;

/** Collects the version of each successful save (PUT) or read (GET) of the entry. */
function watchVersions(page: Page, method = 'PUT'): number[] {
  const versions: number[] = [];
  page.on('response', async (response) => {
    if (response.request().method() !== method || !ENTRY.test(response.url()) || !response.ok()) return;
    // Of a response under way when the page is closed, the body cannot be read.
    const entry = await response.json().catch(() => undefined);
    if (entry) versions.push(formatVersion(entry));
  });
  return versions;
}

async function openInOtherBrowser(other: Page): Promise<void> {
  await unlock(other, PHRASE);
  await other.getByRole('link', { name: new RegExp(title) }).click();
}

/** Expects the shown recording to have this length. */
const expectLength = (page: Page, seconds: number) =>
  expect(player(page)).toContainText(new RegExp(`/\\s0:0${seconds}`));

test('while a recording is replaced, its entry has the old and the new key, and then only the new one', async ({
  page,
  user,
}) => {
  await signIn(page, user);
  await createSealedEntry(page);
  const sent = watchVersions(page);
  await saveRecording(page, 3);
  await expect.poll(() => sent).toEqual([1]);
  await expectLength(page, 3);
  await saveRecording(page, 5, 'Replace');
  await expect.poll(() => sent).toEqual([1, 2, 1]);
  await expectLength(page, 5);
});

test('a crash before the upload keeps the old recording, which can be replaced later', async ({
  page,
  user,
  guard,
  otherBrowser,
}) => {
  await signIn(page, user);
  await createSealedEntry(page);
  await saveRecording(page, 3);
  await chooseFile(page, 5);
  await crashBeforeUpload(page, guard, () => button(page, 'Replace').click());

  const other = await otherBrowser();
  await signIn(other, user);
  const read = watchVersions(other, 'GET');
  await openInOtherBrowser(other);
  await expectLength(other, 3);
  await expect.poll(() => read).toContain(2);
  await other.getByRole('link', { name: 'Edit' }).click();
  await expectLength(other, 3);
  await saveRecording(other, 7, 'Replace');
  await expectLength(other, 7);
});

test('a crash after the upload keeps the new recording, and the next save drops the old key', async ({
  page,
  user,
  guard,
  otherBrowser,
}) => {
  await signIn(page, user);
  await createSealedEntry(page);
  await saveRecording(page, 3);
  await chooseFile(page, 5);
  guard.allow(/ERR_FAILED/);
  // Let the save with both keys through, and block the following one.
  let bothKeysSaved = false;
  const nextSaveBlocked = new Promise<void>((done) => {
    void page.route(ENTRY, async (route) => {
      if (route.request().method() !== 'PUT') return route.continue();
      if (!bothKeysSaved) {
        bothKeysSaved = formatVersion(route.request().postDataJSON()) === 2;
        return route.continue();
      }
      await route.abort();
      done();
    });
  });
  const upload = page.waitForResponse(
    (response) => response.url().endsWith('/audio') && response.request().method() === 'PUT',
  );
  await button(page, 'Replace').click();
  expect((await upload).ok()).toBe(true);
  // Wait for the aborted save, because a request that is pending when the page closes may still be sent.
  await bounded('the save after the upload', nextSaveBlocked);
  await page.close({ runBeforeUnload: false });

  const other = await otherBrowser();
  await signIn(other, user);
  const [read, saved] = [watchVersions(other, 'GET'), watchVersions(other)];
  await openInOtherBrowser(other);
  await expectLength(other, 5);
  await expect.poll(() => read).toContain(2);
  await other.getByRole('link', { name: 'Edit' }).click();
  await expectLength(other, 5);
  await other.locator('.cm-content').click();
  await other.keyboard.type('With a few words of text.');
  await expect(other.getByText(/^Saved at/)).toBeVisible();
  await expect.poll(() => saved).toEqual([1]);
});

test('a crash before the first upload is reported, and a new recording can be saved', async ({
  page,
  user,
  guard,
  otherBrowser,
}) => {
  await signIn(page, user);
  await createSealedEntry(page);
  await chooseFile(page, 3);
  await crashBeforeUpload(page, guard, () => button(page, 'Save').click());

  const other = await otherBrowser();
  await signIn(other, user);
  await openInOtherBrowser(other);
  await expect(other.getByText("The recording of this entry isn't here: the upload didn't finish.")).toBeVisible();
  await other.getByRole('link', { name: 'Edit' }).click();
  await expect(other.getByText("The recording of this entry isn't here")).toBeVisible();
  await saveRecording(other, 5, 'Replace');
  await expectLength(other, 5);
});

test('after a cancelled upload, either recording can be played', async ({ page, user, otherBrowser }) => {
  await signIn(page, user);
  await createSealedEntry(page);
  await saveRecording(page, 3);
  const sent = watchVersions(page);
  let notifyHeld = () => {};
  const uploadHeld = new Promise<void>((done) => (notifyHeld = done));
  await page.route('**/audio', (route) => (route.request().method() === 'PUT' ? notifyHeld() : route.continue()));
  await chooseFile(page, 5);
  await button(page, 'Replace').click();
  await bounded('the upload to start', uploadHeld);
  await button(page, 'Cancel').click();
  await expect(button(page, 'Cancel')).toHaveCount(0);
  await expect.poll(() => sent).toEqual([2]);
  const other = await otherBrowser();
  await signIn(other, user);
  await openInOtherBrowser(other);
  await expect(player(other)).toContainText(/\/\s0:0[35]/);
});

test('an upload that the server completed despite the cancellation can be played on the same page', async ({
  page,
  user,
}) => {
  await signIn(page, user);
  await createSealedEntry(page);
  await saveRecording(page, 3);
  const sent = watchVersions(page);
  let notifyCompleted = () => {};
  const uploadCompleted = new Promise<void>((done) => (notifyCompleted = done));
  await page.route('**/audio', async (route) => {
    if (route.request().method() !== 'PUT') return route.continue();
    // The response never reaches the page.
    const response = await route.fetch();
    expect(response.ok()).toBe(true);
    notifyCompleted();
  });
  await chooseFile(page, 5);
  await button(page, 'Replace').click();
  await bounded('the server to accept the upload', uploadCompleted);
  await button(page, 'Cancel').click();
  await expect(button(page, 'Cancel')).toHaveCount(0);
  await expect.poll(() => sent).toEqual([2]);
  // A chosen file still exists on the device, so discarding it needs no confirmation.
  await button(page, 'Discard').click();
  await expectLength(page, 5);
});

test('a rejected upload leaves the entry with its old recording', async ({ page, user, guard }) => {
  guard.allow(/status of 507/);
  await signIn(page, user);
  await createSealedEntry(page);
  await saveRecording(page, 3);
  const sent = watchVersions(page);
  await page.route('**/audio', (route) =>
    route.request().method() === 'PUT' ? route.fulfill({ status: 507, json: {} }) : route.continue(),
  );
  await chooseFile(page, 5);
  await button(page, 'Replace').click();
  await expect(page.getByRole('alert')).toContainText('no room left');
  await expect.poll(() => sent).toEqual([2, 1]);
  await page.unroute('**/audio');
  await button(page, 'Try again').click();
  await expectLength(page, 5);
  await expect.poll(() => sent).toEqual([2, 1, 2, 1]);
});
