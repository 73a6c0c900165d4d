/** Recordings of plain and sealed entries: recording, choosing a file, upload, playback, and failures. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import config from '../playwright.config';
import { bounded } from '../support/bounded';
import {
  beginningOf,
  button,
  pendingRecording,
  playbackPosition,
  player,
  position,
  waitUntilRecorded,
} from '../support/recordings';
import { createTag, NAME, PHRASE, unlock } from '../support/secret';
import { wav } from '../support/sound';
import { expect, expectAccessible, newUser, pictures, Server, signIn, test, type Page } from '../support/test';
import { newEntry } from '../support/writing';

const section = (page: Page) => page.getByRole('region', { name: 'Recording' });
const savedMessage = (page: Page) => page.getByText('Recording saved.');

/** Records until the meter has shown sound and two seconds have passed. */
async function record(page: Page, name = 'Record'): Promise<void> {
  await button(page, name).click();
  // The fake microphone beeps twice a second, and only the page itself looks often enough to see every beep.
  await page.waitForFunction(
    () => Number(document.querySelector('[role="meter"]')?.getAttribute('aria-valuenow')) > 10,
  );
  await waitUntilRecorded(page, 2);
  await button(page, 'Done').click();
  await expect(pendingRecording(page)).toBeVisible();
}

const chooseFile = (page: Page, name: string, mimeType: string, buffer: Buffer) =>
  page.locator('input[type="file"]').setInputFiles({ name, mimeType, buffer });

/** Limits uploads to this many bytes per second. 0 removes the limit. */
async function limitUploads(page: Page, uploadThroughput: number): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  const rest = { offline: false, latency: 0, downloadThroughput: -1 };
  await session.send('Network.emulateNetworkConditions', { ...rest, uploadThroughput: uploadThroughput || -1 });
}

test(
  'a new entry is recorded, played back, saved, played again, and its recording deleted',
  { tag: '@main' },
  async ({ page, user }) => {
    await signIn(page, user);
    await page.goto('/write');
    await button(page, 'Record').press('Enter');
    await waitUntilRecorded(page, 1);
    await expect(button(page, 'Done')).toBeFocused();
    await expectAccessible(page);
    await pictures(page, 'recording-running');
    // Without reduced motion, the level is a moving line.
    await page.emulateMedia({ reducedMotion: 'no-preference' });
    const line = page.getByRole('meter').locator('path');
    const before = await line.getAttribute('d');
    await expect(line).not.toHaveAttribute('d', before!);
    await pictures(page, 'recording-level-line');
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await button(page, 'Pause').click();
    await expect(button(page, 'Resume')).toBeVisible();
    const pausedAt = await page.getByRole('timer').textContent();
    await expect(page.getByRole('meter')).toHaveAttribute('aria-valuenow', '0');
    await expect(page.getByRole('timer')).toHaveText(pausedAt!);
    await button(page, 'Resume').click();
    await expect(page.getByRole('timer')).not.toHaveText(pausedAt!);
    await button(page, 'Done').click();

    await expect(page).toHaveURL(/\/edit$/);
    await expect(page.getByRole('textbox', { name: 'Title' })).toHaveValue(/^Recording, \d/);
    await button(page, 'Play').click();
    await expect.poll(() => playbackPosition(page)).toBeGreaterThan(0.5);
    await expectAccessible(page);
    await pictures(page, 'recording-pending');
    await button(page, 'Save').click();
    await expect(savedMessage(page)).toBeVisible();
    await expect(player(page)).toContainText('kB');
    await expectAccessible(page);
    await pictures(page, 'recording-saved');

    const [entry] = await user.api<any[]>('GET', '/api/journals/');
    expect(entry.audio_url).toBe(`/api/journals/${entry.id}/audio`);
    await page.goto(`/entries/${entry.id}`);
    await expect(player(page)).toContainText(beginningOf(1));
    await expectAccessible(page);
    await pictures(page, 'recording-entry');
    await button(page, 'Play').click();
    await expect.poll(() => playbackPosition(page)).toBeGreaterThan(0.3);

    await button(page, 'Delete recording').click();
    await expectAccessible(page);
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await expect(player(page)).toBeVisible();
    await button(page, 'Delete recording').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
    await expect(player(page)).toHaveCount(0);
    await expect.poll(() => user.api('GET', `/api/journals/${entry.id}`)).toMatchObject({ audio_url: null });
  },
);

test('an upload shows progress, can be cancelled and repeated, and the file plays from any position', async ({
  page,
  user,
}) => {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await chooseFile(page, 'An evening.wav', 'audio/wav', wav(300));
  await expect(section(page)).toContainText('An evening.wav');
  await expect(pendingRecording(page)).toContainText(/\/\s5:00/);
  // The upload takes two minutes, so that it is still under way when it is cancelled.
  await limitUploads(page, 40_000);
  await button(page, 'Save').click();
  await expect(section(page)).toContainText(/[1-9]\d?% sent/);
  await expectAccessible(page);
  await pictures(page, 'recording-upload');
  await section(page).getByRole('button', { name: 'Cancel' }).click();
  await expect(button(page, 'Save')).toBeVisible();
  expect(await user.api('GET', `/api/journals/${id}`)).toMatchObject({ audio_url: null });
  await limitUploads(page, 0);
  await button(page, 'Save').click();
  await expect(savedMessage(page)).toBeVisible();

  const parts: string[] = [];
  page.on('response', (response) => {
    if (response.url().includes('/audio') && response.status() === 206)
      parts.push(response.headers()['content-range']!);
  });
  await page.goto(`/entries/${id}`);
  await expect(player(page)).toContainText('4.8 MB');
  await expect(position(page)).toHaveAttribute('aria-valuetext', '0 seconds of 5 minutes');
  await position(page).fill('240');
  await expect(position(page)).toHaveAttribute('aria-valuetext', '4 minutes of 5 minutes');
  await position(page).press('ArrowRight');
  await expect(position(page)).toHaveAttribute('aria-valuetext', '4 minutes, 5 seconds of 5 minutes');
  await page.getByRole('combobox', { name: 'Speed' }).selectOption('2×');
  await button(page, 'Play').click();
  await expect.poll(() => playbackPosition(page)).toBeGreaterThan(247);
  // The player has requested a part from the middle of the file.
  await expect
    .poll(() => Math.max(...parts.map((part) => Number(/bytes (\d+)-/.exec(part)![1]))))
    .toBeGreaterThan(1_000_000);
  await button(page, 'Pause').click();
});

test('a recording is replaced after the access token has expired', async ({ page, user }) => {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await chooseFile(page, 'first.wav', 'audio/wav', wav(5));
  await button(page, 'Save').click();
  await expect(player(page)).toContainText('80 kB');
  await record(page, 'Record again');
  await expect(section(page)).toContainText('It will replace the current recording.');
  await page.context().clearCookies({ name: /access/ });
  const rejection = page.waitForResponse((response) => response.url().endsWith('/audio') && response.status() === 401);
  await button(page, 'Replace').click();
  await rejection;
  await expect(player(page)).not.toContainText('80 kB');
  const response = await page.request.head(`/api/journals/${id}/audio`);
  expect(response.headers()['content-type']).toBe('audio/webm');
});

test('a failed upload keeps the recording', async ({ page, user, guard }) => {
  guard.allow(/ERR_FAILED/);
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await record(page);
  let isUploadBlocked = true;
  await page.route('**/audio', (route) =>
    isUploadBlocked && route.request().method() === 'PUT' ? route.abort() : route.continue(),
  );
  await button(page, 'Save').click();
  await expect(section(page).getByRole('alert')).toContainText(
    "The server isn't responding. The recording is still here",
  );
  await expectAccessible(page);
  await pictures(page, 'recording-upload-failed');
  await button(page, 'Play').click();
  await expect.poll(() => playbackPosition(page)).toBeGreaterThan(0);
  isUploadBlocked = false;
  await button(page, 'Try again').click();
  await expect(savedMessage(page)).toBeVisible();
});

test('a recording continues on other pages, and discarding it needs a confirmation', async ({ page, user }) => {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await button(page, 'Record').click();
  await waitUntilRecorded(page, 1);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Journal', exact: true }).click();
  await expect(page).toHaveURL('/');
  await button(page, 'Go to the recording').click();
  await expect(button(page, 'Resume')).toBeVisible();

  // A reload would end the recording, so the browser asks.
  const confirmation = page.waitForEvent('dialog');
  page.reload().catch(() => {});
  const dialog = await confirmation;
  expect(dialog.type()).toBe('beforeunload');
  await dialog.dismiss();
  await button(page, 'Done').click();
  await expect(pendingRecording(page)).toBeVisible();

  await button(page, 'Discard').click();
  await expectAccessible(page);
  await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
  await expect(button(page, 'Record')).toBeVisible();
  await page.reload();
  await expect(button(page, 'Record')).toBeVisible();
});

test('a denied, missing or busy microphone is explained', async ({ page, user, server, playwright }) => {
  await signIn(page, user);
  await page.goto('/write');
  await page.evaluate(() => {
    const names = ['NotAllowedError', 'NotFoundError', 'NotReadableError'];
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', names.shift()));
  });
  const message = section(page).getByRole('alert');
  await button(page, 'Record').click();
  await expect(message).toContainText("Sotto isn't allowed to use the microphone. Allow it");
  await expectAccessible(page);
  await pictures(page, 'recording-microphone-denied');
  await button(page, 'Record').click();
  await expect(message).toContainText('No microphone found.');
  await button(page, 'Record').click();
  await expect(message).toContainText('Another program is using the microphone.');

  // Without --use-fake-ui-for-media-stream, the browser itself denies the microphone.
  const { executablePath, args } = config.use!.launchOptions!;
  const strict = await playwright.chromium.launch({
    executablePath,
    args: args!.filter((one) => !one.startsWith('--use-fake-ui')),
  });
  try {
    const deniedPage = await strict.newPage({ baseURL: server.url });
    await signIn(deniedPage, user);
    await deniedPage.goto('/write');
    await button(deniedPage, 'Record').click();
    await expect(section(deniedPage).getByRole('alert')).toContainText("Sotto isn't allowed to use the microphone.");
  } finally {
    await strict.close();
  }
});

test('a recording that the server rejects stays on the page, with the reason', async ({ page, guard }) => {
  const server = await Server.start('sqlite', { SOTTO_AUDIO_LIMIT: '100000', SOTTO_AUDIO_QUOTA: '150000' });
  guard.visit(server.url);
  guard.allow(/status of 507/);
  try {
    const user = await newUser(server.url);
    const id = await newEntry(user, 'A day.');
    await signIn(page, user, server.url);
    await page.goto(`${server.url}/entries/${id}/edit`);
    const message = section(page).getByRole('alert');
    await chooseFile(page, 'long.wav', 'audio/wav', wav(10));
    await button(page, 'Save').click();
    await expect(message).toContainText('larger than this server allows');
    await button(page, 'Discard').click();
    await chooseFile(page, 'letter.webm', 'video/webm', Buffer.from('Dear diary'));
    await expect(section(page)).toContainText("can't be played");
    await button(page, 'Save').click();
    await expect(section(page)).toContainText("This file type isn't supported");
    await button(page, 'Discard').click();
    await chooseFile(page, 'one.wav', 'audio/wav', wav(6));
    await button(page, 'Save').click();
    await expect(savedMessage(page)).toBeVisible();

    const other = await newEntry(user, 'Another day.');
    await page.goto(`${server.url}/entries/${other}/edit`);
    await chooseFile(page, 'two.wav', 'audio/wav', wav(6));
    await button(page, 'Save').click();
    await expect(message).toContainText('no room left');
    await expect(pendingRecording(page)).toBeVisible();
  } finally {
    await server.stop();
  }
});

test('a recording under a secret tag leaves the browser only encrypted, and plays again after the next unlock', async ({
  page,
  user,
  server,
  guard,
  otherBrowser,
}) => {
  const sent: { url: string; head: number[]; plain: boolean }[] = [];
  await page.exposeFunction('recordSent', (one: (typeof sent)[number]) => void sent.push(one));
  await page.addInitScript(() => {
    const { recordSent } = window as unknown as { recordSent: (one: object) => Promise<void> };
    const originalOpen = XMLHttpRequest.prototype.open;
    const originalSend = XMLHttpRequest.prototype.send;
    const urls = new WeakMap<XMLHttpRequest, string>();
    XMLHttpRequest.prototype.open = function (this: XMLHttpRequest, ...request: any[]) {
      urls.set(this, String(request[1]));
      return originalOpen.apply(this, request as never);
    };
    XMLHttpRequest.prototype.send = function (this: XMLHttpRequest, body) {
      void (body as Blob).arrayBuffer().then((buffer) => {
        const bytes = new Uint8Array(buffer);
        const plain = /webm|Opus|matroska/i.test(new TextDecoder('latin1').decode(bytes));
        return recordSent({ url: urls.get(this), head: [...bytes.slice(0, 4)], plain });
      });
      return originalSend.call(this, body);
    };
  });

  await signIn(page, user);
  await createTag(page);
  await page.locator('main').getByRole('button', { name: 'Write' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill('Spoken softly');
  await record(page);
  await button(page, 'Save').click();
  await expect(savedMessage(page)).toBeVisible();
  await expect(player(page)).toContainText('kB');

  // Editing the text keeps the recording key and causes no conflict.
  await page.locator('.cm-content').click();
  await page.keyboard.type('With a few words of text.');
  await expect(page.getByText(/^Saved at/)).toBeVisible();
  const id = page.url().split('/').at(-2)!;

  await expect.poll(() => sent.map(({ url }) => url)).toEqual([`/api/journals/${id}/audio`]);
  expect(sent[0]!.plain).toBe(false);
  expect(sent[0]!.head).not.toEqual([0x1a, 0x45, 0xdf, 0xa3]);
  const files = await readdir(join(server.folder, 'attachments'), { recursive: true, withFileTypes: true });
  const stored = files.filter((one) => one.isFile() && one.parentPath.includes(user.id));
  expect(stored).toHaveLength(1);
  expect(await readFile(join(stored[0]!.parentPath, stored[0]!.name), 'latin1')).not.toMatch(/webm|Opus|matroska/i);

  // Another browser needs only the passphrase.
  const other = await otherBrowser();
  await signIn(other, user);
  await unlock(other, PHRASE);
  await other.getByRole('link', { name: /Spoken softly/ }).click();
  await expect(player(other)).toContainText(beginningOf(1));
  await expect(other.getByText('With a few words of text.')).toBeVisible();
  await button(other, 'Play').click();
  await expect.poll(() => playbackPosition(other)).toBeGreaterThan(0.3);
  await pictures(other, 'recording-encrypted');
  const address = await other.locator('audio').getAttribute('src');
  expect(address).toMatch(/^blob:/);

  // Locking removes the player and revokes the blob URL.
  await other.keyboard.press('F9');
  await expect(other.locator('audio')).toHaveCount(0);
  guard.allow(/ERR_FILE_NOT_FOUND/);
  const loadAudio = (url: string) =>
    new Promise((done) => {
      const audio = new Audio(url);
      audio.oncanplay = () => done('loaded');
      audio.onerror = () => done('failed');
    });
  const loading = other.evaluate(loadAudio, address!);
  expect(await bounded('the audio element to load or fail', loading)).toBe('failed');
  await unlock(other, PHRASE, NAME);
  await other.getByRole('link', { name: /Spoken softly/ }).click();
  await button(other, 'Delete recording').click();
  await other.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
  await expect(player(other)).toHaveCount(0);
  await expect(other.getByText('With a few words of text.')).toBeVisible();
});
