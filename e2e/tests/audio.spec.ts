/** Recordings: made and chosen, kept and played, in the open and under a secret tag, and what becomes of them when something fails. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import config from '../playwright.config';
import { at, button, expect, player, position, waiting } from '../support/recordings';
import { make, NAME, openAs, PHRASE } from '../support/secret';
import { wav } from '../support/sound';
import { expectAccessible, newUser, pictures, Server, signIn, test, type Page } from '../support/test';
import { newEntry } from '../support/writing';

test.describe.configure({ timeout: 180_000 });

const section = (page: Page) => page.getByRole('region', { name: 'Recording' });
const kept = (page: Page) => page.getByText('The recording is kept.');

/** Records for a moment, until it was heard. */
async function record(page: Page, name = 'Record'): Promise<void> {
  await button(page, name).click();
  const heard = () => page.getByRole('meter', { name: 'Loudness' }).getAttribute('aria-valuenow').then(Number);
  // The fake microphone beeps twice a second: to look once a second could miss each of them.
  await expect.poll(heard, { intervals: [70] }).toBeGreaterThan(10);
  await expect(page.getByRole('timer')).toHaveText(/0:0[2-9]/);
  await button(page, 'Done').click();
  await expect(waiting(page)).toBeVisible();
}

const choose = (page: Page, name: string, mimeType: string, buffer: Buffer) =>
  page.locator('input[type="file"]').setInputFiles({ name, mimeType, buffer });

/** Bytes per second that leave from now on; 0 lifts it. */
async function slow(page: Page, uploadThroughput: number): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  const rest = { offline: false, latency: 0, downloadThroughput: -1 };
  await session.send('Network.emulateNetworkConditions', { ...rest, uploadThroughput: uploadThroughput || -1 });
}

test('a new entry is spoken, listened to, kept, played and deleted', { tag: '@main' }, async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/write');
  await button(page, 'Record').press('Enter');
  await expect(page.getByRole('timer')).toHaveText(/0:0[1-9]/);
  await expect(button(page, 'Done')).toBeFocused();
  await expectAccessible(page);
  await pictures(page, 'audio-recording');
  // Where motion is welcome, the level is a line.
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  const line = page.getByRole('meter').locator('path');
  const before = await line.getAttribute('d');
  await expect(line).not.toHaveAttribute('d', before!);
  await pictures(page, 'audio-line');
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await button(page, 'Pause').click();
  const stopped = await page.getByRole('timer').textContent();
  await expect(button(page, 'Go on')).toBeVisible();
  await expect(page.getByRole('meter')).toHaveAttribute('aria-valuenow', '0');
  expect(await page.getByRole('timer').textContent()).toBe(stopped);
  await button(page, 'Go on').click();
  await expect(page.getByRole('timer')).not.toHaveText(stopped!);
  await button(page, 'Done').click();

  await expect(page).toHaveURL(/\/edit$/);
  await expect(page.getByRole('textbox', { name: 'Title' })).toHaveValue(/^Recording, \d/);
  await button(page, 'Play').click();
  await expect.poll(() => at(page)).toBeGreaterThan(0.5);
  await expectAccessible(page);
  await pictures(page, 'audio-made');
  await button(page, 'Keep').click();
  await expect(kept(page)).toBeVisible();
  await expect(player(page)).toContainText('kB');
  await expectAccessible(page);
  await pictures(page, 'audio-kept');

  const [entry] = await user.api<any[]>('GET', '/api/journals/');
  expect(entry.audio_url).toBe(`/api/journals/${entry.id}/audio`);
  await page.goto(`/entries/${entry.id}`);
  await expect(player(page)).toContainText(/0:00\s\/\s0:0[1-9]/);
  await expectAccessible(page);
  await pictures(page, 'audio-entry');
  await button(page, 'Play').click();
  await expect.poll(() => at(page)).toBeGreaterThan(0.3);

  await button(page, 'Delete recording').click();
  await expectAccessible(page);
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await expect(player(page)).toBeVisible();
  await button(page, 'Delete recording').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
  await expect(player(page)).toHaveCount(0);
  expect(await user.api('GET', `/api/journals/${entry.id}`)).toMatchObject({ audio_url: null });
});

test('a file is sent with its progress, called back, sent again, and played from anywhere', async ({ page, user }) => {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await choose(page, 'An evening.wav', 'audio/wav', wav(300));
  await expect(section(page)).toContainText('An evening.wav');
  await expect(waiting(page)).toContainText(/\/\s5:00/);
  await slow(page, 400_000);
  await button(page, 'Keep').click();
  await expect(section(page)).toContainText(/[1-9]\d? % sent/);
  await expectAccessible(page);
  await pictures(page, 'audio-sending');
  await section(page).getByRole('button', { name: 'Cancel' }).click();
  await expect(button(page, 'Keep')).toBeVisible();
  expect(await user.api('GET', `/api/journals/${id}`)).toMatchObject({ audio_url: null });
  await slow(page, 0);
  await button(page, 'Keep').click();
  await expect(kept(page)).toBeVisible();

  const parts: string[] = [];
  page.on('response', (response) => {
    if (response.url().includes('/audio') && response.status() === 206) parts.push(response.headers()['content-range']!);
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
  await expect.poll(() => at(page)).toBeGreaterThan(247);
  expect(parts.length).toBeGreaterThan(0);
  expect(parts.some((part) => Number(/bytes (\d+)-/.exec(part)![1]) > 1_000_000), parts.join()).toBe(true);
  await button(page, 'Pause').click();
});

test('another recording takes the place of the first, though the login has run out', async ({ page, user }) => {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await choose(page, 'first.wav', 'audio/wav', wav(5));
  await button(page, 'Keep').click();
  await expect(player(page)).toContainText('80 kB');
  await record(page, 'Record anew');
  await expect(section(page)).toContainText('It will take the place of the recording that is there.');
  await page.context().clearCookies({ name: /access/ });
  const refused = page.waitForResponse((answer) => answer.url().endsWith('/audio') && answer.status() === 401);
  await button(page, 'Replace').click();
  await refused;
  await expect(player(page)).not.toContainText('80 kB');
  const answer = await page.request.head(`/api/journals/${id}/audio`);
  expect(answer.headers()['content-type']).toBe('audio/webm');
});

test('a broken network loses nothing', async ({ page, user, guard }) => {
  guard.allow(/ERR_FAILED/);
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await record(page);
  let broken = true;
  await page.route('**/audio', (route) => (broken && route.request().method() === 'PUT' ? route.abort() : route.continue()));
  await button(page, 'Keep').click();
  await expect(section(page).getByRole('alert')).toContainText('The server does not answer. The recording is still here');
  await expectAccessible(page);
  await pictures(page, 'audio-failed');
  await button(page, 'Play').click();
  await expect.poll(() => at(page)).toBeGreaterThan(0);
  broken = false;
  await button(page, 'Try again').click();
  await expect(kept(page)).toBeVisible();
});

test('who leaves the page in the middle finds the recording again, and is asked before it is discarded', async ({ page, user }) => {
  const id = await newEntry(user, 'A day.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await button(page, 'Record').click();
  await expect(page.getByRole('timer')).toHaveText(/0:0[1-9]/);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Journal', exact: true }).click();
  await expect(page).toHaveURL('/');
  await button(page, 'Back to it').click();
  await expect(button(page, 'Go on')).toBeVisible();

  // A reload would end it: the browser asks.
  const asked = page.waitForEvent('dialog');
  page.reload().catch(() => {});
  const dialog = await asked;
  expect(dialog.type()).toBe('beforeunload');
  await dialog.dismiss();
  await button(page, 'Done').click();
  await expect(waiting(page)).toBeVisible();

  await button(page, 'Discard').click();
  await expectAccessible(page);
  await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
  await expect(button(page, 'Record')).toBeVisible();
  await page.reload();
  await expect(button(page, 'Record')).toBeVisible();
});

test('a microphone that is denied, or not there, is told in plain words', async ({ page, user, server, playwright }) => {
  await signIn(page, user);
  await page.goto('/write');
  await page.evaluate(() => {
    const names = ['NotAllowedError', 'NotFoundError', 'NotReadableError'];
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', names.shift()));
  });
  const told = section(page).getByRole('alert');
  await button(page, 'Record').click();
  await expect(told).toContainText('Sotto may not use the microphone. Allow it');
  await expectAccessible(page);
  await pictures(page, 'audio-denied');
  await button(page, 'Record').click();
  await expect(told).toContainText('There is no microphone.');
  await button(page, 'Record').click();
  await expect(told).toContainText('in use by another program');

  // By the browser itself, which answers for the person in all other tests.
  const { executablePath, args } = config.use!.launchOptions!;
  const strict = await playwright.chromium.launch({ executablePath, args: args!.filter((one) => !one.startsWith('--use-fake-ui')) });
  try {
    const refused = await strict.newPage({ baseURL: server.url });
    await signIn(refused, user);
    await refused.goto('/write');
    await button(refused, 'Record').click();
    await expect(section(refused).getByRole('alert')).toContainText('Sotto may not use the microphone.');
  } finally {
    await strict.close();
  }
});

test('what the server does not take is said, and is still there', async ({ page, guard }) => {
  const server = await Server.start('sqlite', { SOTTO_AUDIO_LIMIT: '100000', SOTTO_AUDIO_QUOTA: '150000' });
  guard.visit(server.url);
  guard.allow(/status of 507/);
  try {
    const user = await newUser(server.url);
    const id = await newEntry(user, 'A day.');
    await signIn(page, user, server.url);
    await page.goto(`${server.url}/entries/${id}/edit`);
    const told = section(page).getByRole('alert');
    await choose(page, 'long.wav', 'audio/wav', wav(10));
    await button(page, 'Keep').click();
    await expect(told).toContainText('larger than this server takes');
    await button(page, 'Discard').click();
    await choose(page, 'letter.webm', 'video/webm', Buffer.from('Dear diary'));
    await expect(section(page)).toContainText('cannot be played');
    await button(page, 'Keep').click();
    await expect(section(page)).toContainText('not a recording that the server knows');
    await button(page, 'Discard').click();
    await choose(page, 'one.wav', 'audio/wav', wav(6));
    await button(page, 'Keep').click();
    await expect(kept(page)).toBeVisible();

    const other = await newEntry(user, 'Another day.');
    await page.goto(`${server.url}/entries/${other}/edit`);
    await choose(page, 'two.wav', 'audio/wav', wav(6));
    await button(page, 'Keep').click();
    await expect(told).toContainText('no room left');
    await expect(waiting(page)).toBeVisible();
  } finally {
    await server.stop();
  }
});

test('under a secret tag nothing leaves the browser in plain, and it plays again after it was closed', async ({ page, user, server, guard, otherBrowser }) => {
  const sent: { url: string; head: number[]; plain: boolean }[] = [];
  await page.exposeFunction('recordSent', (one: (typeof sent)[number]) => void sent.push(one));
  await page.addInitScript(() => {
    const { recordSent } = window as unknown as { recordSent: (one: object) => Promise<void> };
    const opening = XMLHttpRequest.prototype.open;
    const sending = XMLHttpRequest.prototype.send;
    const urls = new WeakMap<XMLHttpRequest, string>();
    XMLHttpRequest.prototype.open = function (this: XMLHttpRequest, ...request: any[]) {
      urls.set(this, String(request[1]));
      return opening.apply(this, request as never);
    };
    XMLHttpRequest.prototype.send = function (this: XMLHttpRequest, body) {
      void (body as Blob).arrayBuffer().then((buffer) => {
        const bytes = new Uint8Array(buffer);
        const plain = /webm|Opus|matroska/i.test(new TextDecoder('latin1').decode(bytes));
        return recordSent({ url: urls.get(this), head: [...bytes.slice(0, 4)], plain });
      });
      return sending.call(this, body);
    };
  });

  await signIn(page, user);
  await make(page);
  await page.locator('main').getByRole('button', { name: 'Write' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill('Spoken softly');
  await record(page);
  await button(page, 'Keep').click();
  await expect(kept(page)).toBeVisible();
  await expect(player(page)).toContainText('kB');

  // The text goes on: the key of the recording stays in it, and nobody is said to have been at work besides.
  await page.locator('.cm-content').click();
  await page.keyboard.type('And written as well.');
  await expect(page.getByText(/^Saved at/)).toBeVisible();
  const id = page.url().split('/').at(-2)!;

  expect(sent.map(({ url }) => url)).toEqual([`/api/journals/${id}/audio`]);
  expect(sent[0]!.plain).toBe(false);
  expect(sent[0]!.head).not.toEqual([0x1a, 0x45, 0xdf, 0xa3]);
  const files = await readdir(join(server.folder, 'attachments'), { recursive: true, withFileTypes: true });
  const stored = files.filter((one) => one.isFile() && one.parentPath.includes(user.id));
  expect(stored).toHaveLength(1);
  expect(await readFile(join(stored[0]!.parentPath, stored[0]!.name), 'latin1')).not.toMatch(/webm|Opus|matroska/i);

  // In another browser, with the phrase alone.
  const other = await otherBrowser();
  await signIn(other, user);
  await openAs(other, PHRASE);
  await other.getByRole('link', { name: /Spoken softly/ }).click();
  await expect(player(other)).toContainText(/0:00\s\/\s0:0[1-9]/);
  await expect(other.getByText('And written as well.')).toBeVisible();
  await button(other, 'Play').click();
  await expect.poll(() => at(other)).toBeGreaterThan(0.3);
  await pictures(other, 'audio-sealed');
  const address = await other.locator('audio').getAttribute('src');
  expect(address).toMatch(/^blob:/);

  // It is closed: neither the player nor what it played is there any more.
  await other.keyboard.press('F9');
  await expect(other.locator('audio')).toHaveCount(0);
  guard.allow(/ERR_FILE_NOT_FOUND/);
  const played = (url: string) =>
    new Promise((said) => {
      const audio = new Audio(url);
      audio.oncanplay = () => said('there');
      audio.onerror = () => said('gone');
    });
  expect(await other.evaluate(played, address!)).toBe('gone');
  await openAs(other, PHRASE, NAME);
  await other.getByRole('link', { name: /Spoken softly/ }).click();
  await button(other, 'Delete recording').click();
  await other.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
  await expect(player(other)).toHaveCount(0);
  await expect(other.getByText('And written as well.')).toBeVisible();
});

