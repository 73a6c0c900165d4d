/**
 * Measures the sign-in page and the journal with Lighthouse, on a phone with a slow network and on a desktop. Prints a
 * table for docs/frontend-quality.md. Audits that do not depend on the speed of the machine (accessibility and best
 * practices) must all pass.
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium, expect, test, type Page } from '@playwright/test';
import lighthouse, { desktopConfig, type Config, type Result } from 'lighthouse';

import { bounded } from '../support/bounded';
import { Server } from '../support/server';
import { newUser, signIn } from '../support/users';

/** Number of entries in the measured journal. */
const ENTRIES = 500;
/** Runs for each page and device. The table shows the median run. */
const RUNS = 3;
const CATEGORIES = ['performance', 'accessibility', 'best-practices'];

let server: Server;
test.beforeAll(async () => {
  server = await Server.start();
});
test.afterAll(() => server.stop());

test('the first pages pass the audits of Lighthouse', async () => {
  const user = await newUser(server.url);
  for (let n = 0; n < ENTRIES; n += 1) {
    const entry_date = new Date(Date.UTC(2026, 0, 1 + n / 2, 8)).toISOString();
    const content = `It rained until noon, and **then** the light came back over the river. (${n})\n\n`.repeat(4);
    await user.api('POST', '/api/journals/', { title: `Day ${n}`, content, entry_date, tags: ['river', 'rain'] });
  }

  const rows = [
    '| Page | Device | Performance | Accessibility | Best practices | FCP | LCP | TBT | CLS | Transferred | Scripts |',
    '|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|',
  ];
  const faults: string[] = [];
  for (const { path, signedIn } of [
    { path: '/login', signedIn: false },
    { path: '/', signedIn: true },
  ]) {
    for (const [device, config] of [
      ['phone', undefined],
      ['desktop', desktopConfig],
    ] as const) {
      const runs: Result[] = [];
      for (let run = 0; run < RUNS; run += 1) {
        // Each run has a new browser, with an empty cache.
        const report = await inBrowser(async (port, page) => {
          if (signedIn) {
            await signIn(page, user, server.url);
            // Without entries on the page, the measurement would be meaningless.
            await expect(page.getByText(`Day ${ENTRIES - 1}`, { exact: true })).toBeVisible();
            // Clear the cache and keep the cookies.
            const session = await page.context().newCDPSession(page);
            await session.send('Network.clearBrowserCache');
          }
          return measure(server.url + path, port, config);
        });
        runs.push(report);
      }
      runs.sort((a, b) => a.categories.performance!.score! - b.categories.performance!.score!);
      const median = runs[Math.floor(RUNS / 2)]!;
      rows.push(row(path, device, median));
      faults.push(...failedAudits(median).map((fault) => `${path}, ${device}: ${fault}`));
    }
  }
  console.log(`\n${rows.join('\n')}\n`);
  expect(faults).toEqual([]);
});

/** Starts a browser with a new profile, which Lighthouse controls through the given port. */
async function inBrowser<T>(use: (port: number, page: Page) => Promise<T>): Promise<T> {
  const profile = await mkdtemp(join(tmpdir(), 'sotto-quality-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.SOTTO_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--remote-debugging-port=0', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
    serviceWorkers: 'block',
  });
  try {
    const [port] = (await readFile(join(profile, 'DevToolsActivePort'), 'utf8')).split('\n');
    return await use(Number(port), context.pages()[0] ?? (await context.newPage()));
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** Measures a page once, without signing out. */
async function measure(url: string, port: number, config: Config | undefined): Promise<Result> {
  const options = { port, onlyCategories: CATEGORIES, disableStorageReset: true, logLevel: 'error' } as const;
  const report = await bounded(`Lighthouse to measure ${url}`, lighthouse(url, options, config), { seconds: 300 });
  if (!report || report.lhr.runtimeError)
    throw new Error(`Lighthouse did not measure ${url}: ${report?.lhr.runtimeError?.message}`);
  expect(report.lhr.finalDisplayedUrl).toBe(url);
  return report.lhr;
}

function row(path: string, device: string, { audits, categories }: Result): string {
  const score = (name: string) => Math.round((categories[name]?.score ?? 0) * 100);
  const seconds = (name: string) => `${((audits[name]?.numericValue ?? 0) / 1000).toFixed(2)} s`;
  const requests = (
    audits['network-requests']?.details as unknown as { items: { transferSize: number; resourceType: string }[] }
  ).items;
  const kB = (items: typeof requests) =>
    `${(items.reduce((sum, { transferSize }) => sum + transferSize, 0) / 1000).toFixed(0)} kB`;
  const cells = [
    `\`${path}\``,
    device,
    ...CATEGORIES.map(score),
    seconds('first-contentful-paint'),
    seconds('largest-contentful-paint'),
    `${Math.round(audits['total-blocking-time']?.numericValue ?? 0)} ms`,
    (audits['cumulative-layout-shift']?.numericValue ?? 0).toFixed(3),
    kB(requests),
    kB(requests.filter(({ resourceType }) => resourceType === 'Script')),
  ];
  return `| ${cells.join(' | ')} |`;
}

/** Failed audits that do not depend on the speed of the machine. HTTPS passes because the server is on loopback. */
function failedAudits({ audits, categories }: Result): string[] {
  const ids = CATEGORIES.slice(1).flatMap((name) => categories[name]!.auditRefs.filter(({ weight }) => weight > 0));
  return ids
    .map(({ id }) => audits[id]!)
    .filter(({ score }) => score !== null && score < 1)
    .map(({ id, title }) => `${id}: ${title}`);
}
