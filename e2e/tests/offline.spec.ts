/** The app as a PWA: its manifest, its start without a server, and updates. */

import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { expect, expectAccessible, newUser, pictures, Server, signIn, test, type Page } from '../support/test';

test.use({ serviceWorkers: 'allow' });

const NETWORK = /ERR_CONNECTION_REFUSED/;

test('the app can be installed', async ({ page, request }) => {
  await page.goto('/login');
  const session = await page.context().newCDPSession(page);
  const { url, errors, data } = await session.send('Page.getAppManifest');
  expect(new URL(url).pathname).toBe('/manifest.webmanifest');
  expect(errors).toEqual([]);
  const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
  // Playwright's contexts are incognito.
  expect(installabilityErrors.filter(({ errorId }) => errorId !== 'in-incognito')).toEqual([]);

  const manifest = JSON.parse(data!);
  expect(manifest).toMatchObject({ name: 'Sotto', start_url: '/', display: 'standalone' });
  for (const { src, sizes, type } of manifest.icons) {
    const icon = await request.get(src);
    expect(icon.headers()['content-type']).toBe(type);
    if (type !== 'image/png') continue;
    const png = await icon.body();
    expect(`${png.readUInt32BE(16)}x${png.readUInt32BE(20)}`, src).toBe(sizes);
  }
});

test('after a first visit the app starts without its server, and caches nothing of the journal', async ({
  page,
  guard,
}) => {
  const server = await Server.start();
  guard.visit(server.url);
  try {
    const user = await newUser(server.url);
    await user.api('POST', '/api/journals/', {
      content: 'Nobody else reads this.',
      entry_date: '2026-11-25T08:00:00Z',
    });
    await signIn(page, user, server.url);
    await serviceWorkerReady(page);
    expect(await page.evaluate(() => fetch('/api/journals/').then((response) => response.text()))).toContain(
      'Nobody else',
    );
    const cachedPaths = await page.evaluate(async () => {
      const all = await Promise.all((await caches.keys()).map(async (name) => (await caches.open(name)).keys()));
      return all.flat().map(({ url }) => new URL(url).pathname);
    });
    expect(cachedPaths).toContain('/index.html');
    expect(cachedPaths.filter((path) => /^\/(api|health|metrics)/.test(path))).toEqual([]);
  } finally {
    await server.stop();
  }
  guard.allow(NETWORK);
  for (const path of ['/', '/tags', '/write']) {
    await page.goto(server.url + path);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  }
  // API requests fail instead of being served from the cache.
  expect(await page.evaluate(() => fetch('/api/users/me').then(String, String))).toContain('Failed to fetch');
});

test('no service worker is registered before the sign-in', async ({ page }) => {
  await page.goto('/login');
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await page.waitForLoadState('networkidle');
  expect(await page.evaluate(() => navigator.serviceWorker.getRegistrations().then((all) => all.length))).toBe(0);
});

test('a new version waits until the user reloads', async ({ page, guard }) => {
  const app = await mkdtemp(join(tmpdir(), 'sotto-e2e-app-'));
  await cp(resolve(import.meta.dirname, '../../web/dist'), app, { recursive: true });
  const server = await Server.start('sqlite', { SOTTO_WEB_DIR: app });
  guard.visit(server.url);
  try {
    const user = await newUser(server.url);
    await signIn(page, user, server.url);
    await serviceWorkerReady(page);
    await page.reload();
    const other = await page.context().newPage();
    await other.goto(server.url);
    for (const tab of [page, other]) {
      await expect(tab.locator('main#content')).toBeVisible();
      await tab.evaluate(() => document.body.setAttribute('data-before', ''));
    }

    // Simulate a new build, with another document and service worker.
    await changeFile(join(app, 'index.html'), (html) => html.replace('<body>', '<body data-version="next">'));
    await changeFile(join(app, 'sw.js'), (script) => script.replace(/VERSION="[^"]+"/, 'VERSION="next"'));
    await page.evaluate(() => navigator.serviceWorker.getRegistration().then((registration) => registration?.update()));
    for (const tab of [page, other]) await expect(tab.getByText('A new version of Sotto is ready.')).toBeVisible();
    await expect(page.locator('[data-before]')).toBeAttached();
    await expectAccessible(page);
    await pictures(page, 'new-version');

    await page.getByRole('button', { name: 'Reload' }).click();
    await expect(page.locator('[data-version="next"]')).toBeAttached();
    await expect(page.locator('main#content')).toBeVisible();
    // The other tab keeps running until the user reloads it.
    await expect(other.locator('[data-before]')).toBeAttached();
    await other.getByRole('button', { name: 'Reload' }).click();
    await expect(other.locator('[data-version="next"]')).toBeAttached();
  } finally {
    // The pages may send requests while the server stops.
    guard.allow(NETWORK);
    await server.stop();
    await rm(app, { recursive: true });
  }
});

/** Waits until the service worker is active. It has cached all files by then. */
async function serviceWorkerReady(page: Page): Promise<void> {
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated');
}

/** Changes a file and deletes its compressed copies. */
async function changeFile(file: string, change: (text: string) => string): Promise<void> {
  const before = await readFile(file, 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  await writeFile(file, after);
  for (const ending of ['.br', '.gz']) await rm(file + ending, { force: true });
}
