/** Reading: the journal from start to end, single entries, and failures of the server or the network. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { run } from '../support/processes';
import { createEntry, daysAgo, row, waitForScrollEnd } from '../support/reading';
import { expect, expectAccessible, pictures, signIn, test, type Page } from '../support/test';

test('an empty journal offers to write the first entry', async ({ page, user }) => {
  await signIn(page, user);
  await expect(page.getByRole('link', { name: 'Write your first entry' })).toHaveAttribute('href', '/write');
  await expectAccessible(page);
  await pictures(page, 'journal-empty');
});

test(
  'the journal is read, from the list to an entry and back to the same position',
  { tag: '@main' },
  async ({ page, user }) => {
    for (let day = 0; day < 40; day++)
      await createEntry(user, daysAgo(day), { title: `Day ${day}`, content: `What *happened* on day ${day}.` });
    await createEntry(user, daysAgo(3), {
      title: 'A slow Sunday',
      content: 'Bread came out **well**.\n\n- [x] bread',
      tags: ['home'],
    });
    await signIn(page, user);
    await expect(row(page, 'Day 0')).toContainText('What happened on day 0.');
    await expect(row(page, 'A slow Sunday')).toContainText('home');
    await expectAccessible(page);
    await pictures(page, 'journal');

    await expect(async () => {
      await page.mouse.wheel(0, 1_500);
      await expect(row(page, 'Day 30')).toBeVisible({ timeout: 300 });
    }).toPass();
    await waitForScrollEnd(page);
    await page.evaluate(() =>
      addEventListener('click', () => Object.assign(window, { place: scrollY }), { capture: true, once: true }),
    );
    await row(page, 'Day 30').getByRole('link').first().click();
    await expect(page.getByRole('heading', { level: 1, name: 'Day 30' })).toBeVisible();
    await expect(page.locator('.markdown em')).toHaveText('happened');
    await expect(page.getByText('Europe/Berlin')).toBeVisible();
    await expect(page.getByText('7 words')).toBeVisible();
    await expectAccessible(page);
    await pictures(page, 'entry');

    const around = page.getByRole('navigation', { name: 'Before and after' });
    await around.getByRole('link', { name: /Older/ }).click();
    await expect(page.getByRole('heading', { level: 1, name: 'Day 31' })).toBeVisible();
    await around.getByRole('link', { name: /Newer/ }).click();
    await expect(page.getByRole('heading', { level: 1, name: 'Day 30' })).toBeVisible();
    await page.goBack();
    await page.goBack();
    await page.goBack();
    await expect(row(page, 'Day 30')).toBeInViewport();
    await expect
      .poll(() => page.evaluate(() => Math.abs(scrollY - (window as unknown as { place: number }).place)))
      .toBeLessThan(50);
  },
);

test('the link back names its target', async ({ page, user }) => {
  await createEntry(user, daysAgo(0), { title: 'At the lake', content: 'cold', tags: ['water'] });
  await signIn(page, user);
  const [tag] = await user.api<{ id: string }[]>('GET', '/api/tags/');
  const backLink = page.locator('.bar').getByRole('link').first();
  await page.getByRole('link', { name: 'At the lake' }).click();
  await expect(backLink).toHaveText('Journal');
  await backLink.click();
  await expect(page).toHaveURL('/');
  for (const path of ['/search?q=lake', `/tags/${tag!.id}`]) {
    await page.goto(path);
    await page.getByRole('link', { name: 'At the lake' }).click();
    await expect(backLink).toHaveText('Back');
    await backLink.click();
    await expect(page).toHaveURL(path);
    await expect(row(page, 'At the lake')).toBeVisible();
  }
  await page.getByRole('link', { name: 'At the lake' }).click();
  await expect(backLink).toHaveText('Back');
  await page.reload();
  // After a reload, the previous list is no longer known.
  await expect(backLink).toHaveText('Journal');
});

test('the editor, the entry and the calendar count the same words', async ({ page, user }) => {
  const { id } = await createEntry(user, '2024-02-29', {
    title: 'Three small words',
    content: 'and *five* that follow them',
  });
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await expect(page.getByText('8 words', { exact: true })).toBeVisible();
  await page.goto(`/entries/${id}`);
  await expect(page.getByText('8 words', { exact: true })).toBeVisible();
  await page.goto('/calendar/2024');
  await expect(page.getByText('1 entry on 1 day, 8 words')).toBeVisible();
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 } });

  test('long tag names do not make a row wider than the page', async ({ page, user }) => {
    const [spaced, unbroken] = [
      'the summer in which it rained and rained and rained',
      'Donaudampfschifffahrtsgesellschaftskapitänswitwen',
    ];
    await createEntry(user, daysAgo(0, 1), {
      title: 'مذكرات يوم طويل على شاطئ البحر',
      content: 'Rain. '.repeat(60),
      tags: [spaced],
    });
    await createEntry(user, daysAgo(0, 1), { title: 'Rain', content: 'Rain. '.repeat(60), tags: [unbroken] });
    await signIn(page, user);
    const tags = await user.api<{ id: string }[]>('GET', '/api/tags/');
    for (const path of ['/', '/search?q=rain', '/on-this-day', ...tags.map(({ id }) => `/tags/${id}`)]) {
      await page.goto(path);
      await expect(page.locator('article .tag').first()).toBeVisible();
      expect(await overflowing(page), path).toEqual([]);
    }
    await pictures(page, 'tag-long');
  });
});

/** The elements that overflow the page horizontally. */
const overflowing = (page: Page) =>
  page.locator('main :not(.hidden-text)').evaluateAll((all) =>
    all
      .filter((one) => {
        const { left, right } = one.getBoundingClientRect();
        return left < 0 || right > document.documentElement.clientWidth;
      })
      .map(({ outerHTML }) => outerHTML.slice(0, 120)),
  );

test('keyboard shortcuts move through the journal, and are listed', async ({ page, user }) => {
  await createEntry(user, daysAgo(1), { title: 'Older', content: 'one' });
  await createEntry(user, daysAgo(0), { title: 'Newer', content: 'two' });
  await signIn(page, user);
  await expect(row(page, 'Newer')).toBeVisible();
  await page.keyboard.press('j');
  await expect(page.getByRole('link', { name: 'Newer' })).toBeFocused();
  await page.keyboard.press('j');
  await expect(page.getByRole('link', { name: 'Older' })).toBeFocused();
  await page.keyboard.press('k');
  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Keyboard shortcuts' });
  for (const name of ['Write', 'Search', 'Next entry', 'Previous entry'])
    await expect(help.getByText(name, { exact: true })).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press('Escape');
  await expect(help).toBeHidden();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'Newer' })).toBeVisible();
  await page.keyboard.press('/');
  await expect(page).toHaveURL('/search');
  await expect(page.getByRole('searchbox')).toBeFocused();
  await page.keyboard.press('n');
  await expect(page).toHaveURL('/search?q=n');
  await page.keyboard.press('Backspace');
  await page.getByRole('heading', { level: 1 }).click();
  await page.keyboard.press('n');
  await expect(page).toHaveURL('/write');
});

test('50,000 entries scroll to the end, with few of them on the page at a time', async ({ page, user, server }) => {
  // Many times what a busy machine needs.
  test.setTimeout(20 * 60_000);
  const COUNT = 50_000;
  await insertEntries(server.folder, user.id, COUNT);
  await signIn(page, user);
  await expect(row(page, `Entry ${COUNT}`)).toBeVisible();

  /**
   * Scrolls to the end, first screen by screen, then in leaps, as with the scrollbar. Reports where a screen stayed
   * empty.
   */
  const result = await page.evaluate(async () => {
    const frame = () => new Promise(requestAnimationFrame);
    const filled = () =>
      [...document.querySelectorAll('article')].some((article) => {
        const { top, bottom } = article.getBoundingClientRect();
        return top < innerHeight * 0.8 && bottom > innerHeight * 0.2;
      });
    const gaps: number[] = [];
    let [nodes, steps, slowest] = [0, 0, 0];
    for (let still = 0; still < 200;) {
      const before = scrollY;
      // The list renders within two frames. After a leap it first has to measure the new rows.
      const [leap, patience] = steps++ < 200 ? [0.8, 2] : [30, 20];
      scrollBy(0, innerHeight * leap);
      let frames = 0;
      do await frame();
      while (++frames < 2 || (!filled() && frames < patience));
      slowest = Math.max(slowest, frames);
      nodes = Math.max(nodes, document.querySelectorAll('*').length);
      if (scrollY !== before) {
        still = 0;
        if (!filled()) gaps.push(scrollY);
      } else {
        // At the end of the list, wait for the next page. Without a loading message, this was the last one.
        still = document.querySelector('.end .meta') ? 0 : still + 1;
      }
    }
    return { gaps, nodes, steps, slowest, last: document.querySelector('main')!.innerText.includes('Entry 1\n') };
  });
  console.log(
    `${COUNT} entries: ${result.steps} steps, ${result.nodes} elements at most, filled after ${result.slowest} frames at most, ${result.gaps.length} gaps`,
  );
  expect(result.last).toBe(true);
  expect(result.gaps).toEqual([]);
  expect(result.nodes).toBeLessThan(1_500);

  await page.evaluate(() => scrollTo(0, 0));
  await page.getByRole('button', { name: 'Jump to a month' }).click();
  await expectAccessible(page);
  await page.getByRole('dialog').getByRole('link', { name: 'March 2010' }).click();
  await expect(page.getByText('March 2010 and earlier')).toBeVisible();
  await expect(page.getByRole('heading', { level: 2 }).first()).toHaveText('March 2010');
});

test('a list that was left while it loaded continues on return', async ({ page, user }) => {
  for (let day = 0; day < 60; day++) await createEntry(user, daysAgo(day), { title: `Day ${day}`, content: 'x' });
  await signIn(page, user);
  await expect(row(page, 'Day 0')).toBeVisible();
  const secondPageUrl = /\/api\/journals\/\?.*cursor=/;
  await page.route(secondPageUrl, () => {});
  const secondPage = page.waitForRequest(secondPageUrl);
  await page.mouse.wheel(0, 300);
  await page.reload();
  await secondPage;
  await waitForScrollEnd(page);
  await row(page, 'Day 1').first().getByRole('link').click();
  await expect(page.getByRole('heading', { level: 1, name: 'Day 1' })).toBeVisible();
  await page.unroute(secondPageUrl);
  await page.goBack();
  await expect(async () => {
    await page.mouse.wheel(0, 1_500);
    await expect(row(page, 'Day 59')).toBeVisible({ timeout: 300 });
  }).toPass();
});

test('an entry is deleted and restored', async ({ page, user }) => {
  await createEntry(user, daysAgo(0), { title: 'A day by the sea', content: 'salt' });
  const { id } = await createEntry(user, daysAgo(1), {
    title: 'A day on the boat',
    content: 'by the *river*',
    tags: ['a', 'b'],
  });
  await signIn(page, user);
  await page.getByRole('link', { name: 'A day on the boat' }).click();
  await page.getByRole('button', { name: 'Delete' }).click();
  await expectAccessible(page);
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page).toHaveURL('/');
  await expect(row(page, 'A day by the sea')).toBeVisible();
  await expect(row(page, 'A day on the boat')).toHaveCount(0);
  await expect(user.api('GET', `/api/journals/${id}`)).rejects.toThrow('404');
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(page).toHaveURL(`/entries/${id}`);
  await expect(page.locator('.markdown em')).toHaveText('river');
  const restored = await user.api('GET', `/api/journals/${id}`);
  expect(restored).toMatchObject({ title: 'A day on the boat', content: 'by the *river*' });
  expect(restored.tags.map(({ name }: { name: string }) => name).sort()).toEqual(['a', 'b']);
});

test('hostile text runs no script and sends no requests', async ({ page, user }) => {
  const content = [
    '<script>window.hit = 1</script>',
    '<img src=x onerror="window.hit = 2">',
    '<svg onload="window.hit = 3"></svg>',
    '[a link](javascript:window.hit=4)',
    '![a picture](https://evil.example/pixel.png)',
    '<iframe srcdoc="<script>parent.hit = 5</script>"></iframe>',
    '<b style="position:fixed;inset:0">over everything</b>',
    '<style>@import "https://evil.example/x.css";</style>',
  ].join('\n\n');
  const { id } = await createEntry(user, daysAgo(0), {
    title: '<img src=x onerror="window.hit = 6">',
    content,
    tags: ['<b onclick="hit=7">'],
  });
  await signIn(page, user);
  await expect(row(page, '<img src=x onerror="window.hit = 6">')).toBeVisible();
  await page.goto('/search?q=hit');
  await expect(page.locator('mark').first()).toBeVisible();
  await page.goto(`/entries/${id}`);
  await expect(page.getByRole('link', { name: 'a picture (a picture at evil.example)' })).toHaveAttribute(
    'rel',
    'noopener noreferrer nofollow',
  );
  await expect(page.locator('.markdown')).toContainText('a link');
  await expect(page.locator('.markdown').getByRole('link', { name: 'a link' })).toHaveCount(0);
  await expect(page.locator('.markdown :is(script, img, svg, iframe, style, [style], [onerror])')).toHaveCount(0);
  expect(await page.evaluate(() => (window as { hit?: number }).hit)).toBeUndefined();
});

test('a failing server is reported, and the request can be repeated', async ({ page, user, guard }) => {
  const { id } = await createEntry(user, daysAgo(0, 1), { title: 'Still here', content: 'words', tags: ['kept'] });
  guard.allow(/status of 500/, /ERR_FAILED|ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_REFUSED/);
  await signIn(page, user);
  const [tag] = await user.api<{ id: string }[]>('GET', '/api/tags/');
  const pages = [
    '/',
    `/entries/${id}`,
    '/search?q=words',
    `/calendar/${daysAgo(0, 1).slice(0, 4)}`,
    '/on-this-day',
    '/statistics',
    '/tags',
    `/tags/${tag!.id}`,
  ];
  for (const path of pages) {
    for (const trouble of ['answers 500', 'does not answer']) {
      await test.step(`${path}, when the server ${trouble}`, async () => {
        await page.route(/\/api\/(journals|tags)/, (route) =>
          trouble === 'answers 500'
            ? route.fulfill({ status: 500, json: { title: 'Internal Server Error', status: 500 } })
            : route.abort(),
        );
        await page.goto(path);
        const problem = page.getByRole('alert').first();
        await expect(problem).toContainText(
          trouble === 'answers 500' ? 'Nothing was lost' : "The server isn't responding",
        );
        await page.unroute(/\/api\/(journals|tags)/);
        await problem.getByRole('button', { name: 'Try again' }).click();
        await expect(page.getByRole('alert')).toHaveCount(0);
        await expect(page.getByText(/Still here|1 entry|kept|Entries by month/).first()).toBeVisible();
      });
    }
  }
});

test('pages that failed to load offline load when the network returns', async ({ page, context, user, guard }) => {
  await createEntry(user, daysAgo(0, 1), { title: 'Still here', content: 'words', tags: ['kept'] });
  guard.allow(/ERR_FAILED|ERR_INTERNET_DISCONNECTED/);
  await signIn(page, user);
  const go = (name: string) =>
    page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click();
  const problem = page.getByRole('alert');
  const unreachable = () => expect(problem).toContainText("The server isn't responding");
  const pages = ['Journal', 'On this day', 'Statistics', 'Tags', 'Calendar'];
  // Visit each page once, because the app's files cannot be loaded offline.
  for (const name of pages) {
    await go(name);
    await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
  }
  await page.getByRole('link', { name: daysAgo(0, 1).slice(0, 4) }).click();
  await expect(page.getByText('1 entry on 1 day, 3 words')).toBeVisible();
  for (const name of pages) {
    await context.setOffline(true);
    await go(name);
    await unreachable();
    await context.setOffline(false);
    await expect(problem).toHaveCount(0);
    await expect(page.getByText(/Still here|0 entries on|kept|Entries by month/).first()).toBeVisible();
  }

  // When the browser is online but the requests fail, the app tries three times each time the network returns.
  let requests = 0;
  await page.route('**/api/journals/**', (route) => (requests++, route.abort()));
  await go('Journal');
  await unreachable();
  for (let times = 0; times < 2; times++) {
    await context.setOffline(true);
    requests = 0;
    await context.setOffline(false);
    await expect.poll(() => requests).toBe(3);
    await unreachable();
  }
  expect(requests).toBe(3);
});

test('an address without content shows “Page not found”', async ({ page, user }) => {
  await signIn(page, user);
  for (const path of [
    '/entries/019aa000-0000-7000-8000-000000000000',
    '/entries/nonsense',
    '/tags/019aa000-0000-7000-8000-000000000000',
  ]) {
    await page.goto(path);
    await expect(page.getByRole('heading', { name: 'Page not found' })).toBeVisible();
  }
});

/** Inserts entries into the database, one for every 4 hours back from now. The API would take minutes for so many. */
async function insertEntries(folder: string, user: string, count: number): Promise<void> {
  const file = readdirSync(folder).find((name) => name.endsWith('.db'))!;
  const statement = `
    PRAGMA busy_timeout = 60000;
    PRAGMA foreign_keys = ON;
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${count}),
      times (n, at) AS (SELECT n, ${Math.floor(Date.now() / 1000)} - (${count} - n) * 4 * 3600 FROM numbers)
    INSERT INTO journal_entries (id, user_id, title, content, entry_date, entry_day, word_count, created_at, updated_at)
    SELECT randomblob(16), x'${user.replaceAll('-', '')}', 'Entry ' || n,
      substr('A few words about a day, and then some more. ', 1, 20 + n % 25) || char(10) || CASE n % 4 WHEN 0 THEN 'It was a long one, so there is more to say of it than of others. It rained, too.' ELSE '' END,
      at * 1000000, strftime('%Y-%m-%d', at, 'unixepoch'), 9, at * 1000000, at * 1000000
    FROM times;`;
  await run('sqlite3', [join(folder, file), statement], { seconds: 300 });
}
