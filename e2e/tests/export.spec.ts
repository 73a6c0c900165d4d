/** Exports: the server's archive, and the browser's archive of unlocked entries. Python checks both. */

import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { run } from '../support/processes';
import { createAnotherTag, createTag, goToUnlock, NAME } from '../support/secret';
import { expect as baseExpect, expectAccessible, pictures, signIn, test, type Page } from '../support/test';

// Key stretching is slow on a busy machine.
const expect = baseExpect.configure({ timeout: 60_000 });
const SPOKEN = wav(1);
const WHISPERED = wav(2);

const section = (page: Page) => page.getByRole('region', { name: 'Unlocked entries' });
const startExport = (page: Page) => section(page).getByRole('button', { name: 'Download unlocked entries' }).click();
const unlockedTagsBar = (page: Page) => page.getByRole('complementary', { name: 'Unlocked now' });

/** A WAV header with 200,000 equal bytes, which identify the file. */
function wav(byte: number): Buffer {
  const head = Buffer.from('RIFF\x24\0\0\0WAVEfmt ', 'latin1');
  return Buffer.concat([head, Buffer.alloc(200_000, byte)]);
}

/** Opens the page through the menu, because a reload would lock all tags. */
async function goToData(page: Page): Promise<void> {
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('navigation', { name: 'Settings' }).getByRole('link', { name: 'Your data' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Your data' })).toBeVisible();
}

/** Writes an entry with a recording under the shown secret tag, and returns its id. */
async function writeSealedEntry(page: Page, title: string, text: string): Promise<string> {
  await page.locator('main').getByRole('button', { name: 'Write' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill(title);
  await page.locator('.cm-content').click();
  await page.keyboard.type(text);
  await expect(page.getByText(/^Saved at/)).toBeVisible();
  await page.locator('input[type="file"]').setInputFiles({ name: 'a.wav', mimeType: 'audio/x-wav', buffer: WHISPERED });
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByText('Recording saved.')).toBeVisible();
  return page.url().split('/').at(-2)!;
}

/** Without a file picker, as in Firefox and Safari, the app builds the whole file first and then downloads it. */
const withoutPicker = (page: Page) =>
  page.addInitScript(() => Object.defineProperty(window, 'showSaveFilePicker', { value: undefined }));

/** Replaces the file picker, which a test cannot operate, with a file in the origin private file system. */
const withPicker = (page: Page) =>
  page.addInitScript(() => {
    const value = async ({ suggestedName }: { suggestedName: string }) => {
      const folder = await navigator.storage.getDirectory();
      return folder.getFileHandle(suggestedName, { create: true });
    };
    Object.defineProperty(window, 'showSaveFilePicker', { value });
  });

/** The files in the origin private file system: name, and content as Latin-1. */
const writtenFiles = (page: Page) =>
  page.evaluate(async () => {
    const folder = (await navigator.storage.getDirectory()) as FileSystemDirectoryHandle &
      AsyncIterable<[string, FileSystemFileHandle]>;
    const files: [string, string][] = [];
    for await (const [name, handle] of folder) {
      const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
      files.push([name, Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')]);
    }
    return files;
  });

async function download(page: Page, click: () => Promise<void>): Promise<{ name: string; files: Map<string, Buffer> }> {
  const [download] = await Promise.all([page.waitForEvent('download'), click()]);
  return { name: download.suggestedFilename(), files: await unzip(await download.path()) };
}

/** Reads an archive with Python, which also verifies its checksums. */
async function unzip(path: string): Promise<Map<string, Buffer>> {
  const read = `
import base64, json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    json.dump({name: base64.b64encode(archive.read(name)).decode() for name in archive.namelist()}, sys.stdout)`;
  const { stdout } = await run('python3', ['-c', read, path]);
  return new Map(
    Object.entries(JSON.parse(stdout)).map(([name, bytes]) => [name, Buffer.from(String(bytes), 'base64')]),
  );
}

test('plain and unlocked entries are exported with their recordings', { tag: '@main' }, async ({ page, user }) => {
  await withoutPicker(page);
  const { id } = await user.api('POST', '/api/journals/', {
    title: 'Tuesday',
    content: 'It rains.',
    entry_date: '2026-11-24T20:00:00Z',
  });
  await signIn(page, user);
  const status = await page.evaluate(
    async ([id, sound]) => {
      const body = Uint8Array.from(atob(sound), (letter) => letter.charCodeAt(0));
      return (
        await fetch(`/api/journals/${id}/audio`, { method: 'PUT', headers: { 'content-type': 'audio/wav' }, body })
      ).status;
    },
    [id, SPOKEN.toString('base64')],
  );
  expect(status).toBe(201);
  // While no tag is unlocked, the page does not mention secret tags.
  await goToData(page);
  await expect(page.getByRole('button', { name: 'Download everything' })).toBeVisible();
  await expect(section(page)).toHaveCount(0);

  await createTag(page);
  await writeSealedEntry(page, 'The lighthouse', 'Nobody knows.');
  await goToData(page);
  await expect(section(page)).toContainText(NAME);
  await expect(section(page)).toContainText("This file isn't encrypted");
  await expectAccessible(page);
  await pictures(page, 'export-unlocked');

  const serverArchive = await download(page, () => page.getByRole('button', { name: 'Download everything' }).click());
  expect([...serverArchive.files.keys()].sort()).toEqual([
    'entries/2026/2026-11-24-tuesday.md',
    'entries/2026/2026-11-24-tuesday.wav',
    'journal.json',
  ]);
  const plainText = serverArchive.files.get('entries/2026/2026-11-24-tuesday.md')!.toString();
  expect(plainText).toContain('recording: "2026-11-24-tuesday.wav"');
  expect(plainText).toContain('It rains.');
  expect(serverArchive.files.get('entries/2026/2026-11-24-tuesday.wav')).toEqual(SPOKEN);

  const unlockedArchive = await download(page, () => startExport(page));
  await expect(page.getByText('Done: 1 entry is in the file.')).toBeVisible();
  expect(unlockedArchive.name).toMatch(/^sotto-\d{4}-\d\d-\d\d-open\.zip$/);
  const names = [...unlockedArchive.files.keys()];
  expect(names).toEqual([
    expect.stringMatching(/^entries\/\d{4}\/[-\d]{10}-the-lighthouse\.md$/),
    names[0]!.replace(/md$/, 'wav'),
  ]);
  const text = unlockedArchive.files.get(names[0]!)!.toString();
  expect(text).toMatch(/^---\nid: .*\ntitle: "The lighthouse"\n[^]*\n---\n\nNobody knows\.$/);
  expect(text).toContain(`secret_tag: "${NAME}"\nrecording: "${names[1]!.split('/').at(-1)}"`);
  expect(unlockedArchive.files.get(names[1]!)).toEqual(WHISPERED);

  await page.keyboard.press('F9');
  await expect(page).toHaveURL('/');
  await goToData(page);
  await expect(section(page)).toHaveCount(0);
});

test('the archive is written to the chosen file, and lists what is missing', async ({ page, user, server }, info) => {
  await withPicker(page);
  await signIn(page, user);
  await createTag(page);
  await writeSealedEntry(page, 'Lost', 'The recording is missing.');
  await goToUnlock(page);
  const changed = await writeSealedEntry(page, 'Changed', 'Someone changed this on the server.');
  const folder = join(server.folder, 'attachments', user.id);
  for (const name of await readdir(folder)) await rm(join(folder, name));
  await page.route('**/api/journals/?*secret_tag_id=*', async (route) => {
    const response = await route.fetch();
    const entries: { id: string; encrypted_content: string }[] = await response.json();
    const corrupt = (text: string) => (text.startsWith('A') ? 'B' : 'A') + text.slice(1);
    for (const entry of entries) if (entry.id === changed) entry.encrypted_content = corrupt(entry.encrypted_content);
    await route.fulfill({ response, json: entries });
  });
  await goToData(page);
  await startExport(page);
  await expect(page.getByText("The file missing.txt in it lists what's missing")).toBeVisible();
  const files = await writtenFiles(page);
  expect(files).toHaveLength(1);
  const path = info.outputPath(files[0]![0]);
  await writeFile(path, files[0]![1], 'latin1');
  const archive = await unzip(path);
  const names = [...archive.keys()];
  expect(names).toEqual([expect.stringMatching(/-lost\.md$/), 'missing.txt']);
  expect(archive.get(names[0]!)!.toString()).toMatch(/The recording is missing\.$/);
  const missing = archive.get('missing.txt')!.toString();
  expect(missing).toContain(`${names[0]}: the recording of this entry`);
  expect(missing).toContain(`the entry ${changed}`);
});

test('a failed or stopped export leaves no file, and is reported', async ({ page, user, guard }) => {
  guard.allow(/status of 500/, /ERR_FAILED/);
  await withPicker(page);
  await signIn(page, user);
  await createTag(page, 'One');
  await writeSealedEntry(page, 'The lighthouse', 'Nobody knows.');
  await goToUnlock(page);
  await createAnotherTag(page, 'Two', 'another phrase of six odd words');
  await goToData(page);

  // The server fails.
  await page.route('**/api/journals/?*secret_tag_id=*', (route) => route.fulfill({ status: 500, body: '{}' }));
  await startExport(page);
  await expect(section(page).getByRole('alert')).toBeVisible();
  await expect.poll(() => writtenFiles(page)).toEqual([]);
  await page.unroute('**/api/journals/?*secret_tag_id=*');

  // The user stops the export.
  let held = 0;
  const release: (() => void)[] = [];
  await page.route('**/api/journals/*/audio', (route) => {
    held += 1;
    release.push(() => void route.continue().catch(() => {}));
  });
  const stoppedNotice = page.getByText('The download was stopped.');
  await startExport(page);
  await expect.poll(() => held).toBe(1);
  await expect(section(page).getByRole('status')).toHaveText("Stay on this page until it's done.");
  await expect(section(page)).toContainText('0 entries so far.');
  await expectAccessible(page);
  await pictures(page, 'export-unlocked-running');
  await section(page).getByRole('button', { name: 'Stop' }).click();
  release.splice(0).forEach((resume) => resume());
  await expect(stoppedNotice).toBeVisible();
  await expect.poll(() => writtenFiles(page)).toEqual([]);
  await expect(stoppedNotice).toHaveCount(0);

  // One of the two tags is locked before its entries are exported.
  await startExport(page);
  await expect.poll(() => held).toBe(2);
  await unlockedTagsBar(page).getByRole('button', { name: 'Lock Two' }).click();
  release.splice(0).forEach((resume) => resume());
  await expect(section(page).getByRole('alert')).toHaveText(
    /A secret tag was locked before everything was in the file/,
  );
  await expect.poll(() => writtenFiles(page)).toEqual([]);

  // All tags are locked: the app leaves the page, and the message does not mention secret tags.
  await startExport(page);
  await expect.poll(() => held).toBe(3);
  await page.keyboard.press('F9');
  await expect(page).toHaveURL('/');
  release.splice(0).forEach((resume) => resume());
  await expect(stoppedNotice).toBeVisible();
  await expect.poll(() => writtenFiles(page)).toEqual([]);
  await expect(page.getByText(/secret/i)).toHaveCount(0);
});
