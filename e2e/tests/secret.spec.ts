/** Secret tags: made, opened, closed and lost in real browsers, and what is left lying around by that: nothing. */

import { expect as quick, expectAccessible, newUser, pictures, signIn, test, type Page } from '../support/test';
import { confirm, field, goToOpen, make, makeAnother, NAME, open, openAs, PHRASE, shownGroups, typeTwice } from '../support/secret';

// Stretching a phrase takes 64 MiB and three passes each time, and as long as it takes.
const expect = quick.configure({ timeout: 60_000 });
test.describe.configure({ timeout: 240_000 });

const strip = (page: Page) => page.getByRole('complementary', { name: 'Open now' });

/** Writes an entry under the one that is shown, and waits until the server has it. */
async function write(page: Page, title: string, text: string): Promise<void> {
  await page.locator('main').getByRole('button', { name: 'Write' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill(title);
  await page.locator('.cm-content').click();
  await page.keyboard.type(text);
  await expect(page.getByText(/^Saved at/)).toBeVisible();
}

/** Types at the end of the text. */
async function append(page: Page, text: string): Promise<void> {
  await page.locator('.cm-content').click();
  await page.keyboard.press('ControlOrMeta+End');
  await page.keyboard.type(text);
}

/** Everything that the page sends from now on, bodies included; Playwright does not see the bodies of what is sent by `fetch(request)`. */
async function record(page: Page): Promise<string[]> {
  const sent: string[] = [];
  await page.exposeFunction('recordSent', (text: string) => void sent.push(text));
  await page.addInitScript(() => {
    const send = window.fetch;
    window.fetch = async (input, init) => {
      const request = new Request(input, init);
      const { recordSent } = window as unknown as { recordSent: (text: string) => Promise<void> };
      await recordSent(`${request.method} ${request.url} ${JSON.stringify([...request.headers])} ${await request.clone().text()}`);
      return send(request);
    };
  });
  return sent;
}

/** Everything that this browser keeps for the app, and how it is called. */
async function kept(): Promise<string> {
  const caches = await Promise.all((await window.caches.keys()).map(async (name) => [name, (await (await window.caches.open(name)).keys()).map(({ url }) => url)]));
  const names = (await indexedDB.databases()).map(({ name }) => name);
  return JSON.stringify({ ...localStorage, session: { ...sessionStorage }, names, caches });
}

const isClosed = async (page: Page) => {
  await expect(strip(page)).toHaveCount(0);
  await expect(page).toHaveURL('/');
};

test('a secret tag is made in one browser, and opened in another', { tag: '@main' }, async ({ page, user, otherBrowser }) => {
  await signIn(page, user);
  await make(page);
  await expect(strip(page)).toContainText(NAME);
  await expect(page).toHaveTitle('Open · Sotto');

  const other = await otherBrowser();
  await signIn(other, user);
  await openAs(other, PHRASE);
  await expect(strip(other)).toContainText(/until \d/);
});

test('what is sealed in one browser is read, found and changed in another', { tag: '@main' }, async ({ page, user, otherBrowser }) => {
  await signIn(page, user);
  await make(page);
  await expect(page.getByText('Nothing in here yet')).toBeVisible();
  await write(page, 'Tuesday', 'Nobody knows about the **lighthouse**.');
  await goToOpen(page);
  await write(page, 'Regen ☔', 'Über den Wolken');

  const other = await otherBrowser();
  await signIn(other, user);
  await openAs(other, PHRASE);
  await expect(other.getByRole('link', { name: 'Tuesday' })).toBeVisible();
  await expectAccessible(other);
  await pictures(other, 'open-tag');
  await other.getByRole('searchbox').fill('uber');
  await expect(other.getByRole('link', { name: 'Regen' })).toBeVisible();
  await expect(other.getByRole('link', { name: 'Tuesday' })).toHaveCount(0);
  await other.getByRole('searchbox').fill('lightho');
  await other.getByRole('link', { name: 'Tuesday' }).click();
  await expect(other.locator('strong', { hasText: 'lighthouse' })).toBeVisible();
  // Neither the browser's history nor its tab names it.
  await expect(other).toHaveTitle('Entry · Sotto');

  await other.getByRole('link', { name: 'Edit' }).click();
  await append(other, ' It is red.');
  await expect(other.getByText(/^Saved at/)).toBeVisible();
  await goToOpen(page);
  await page.getByRole('link', { name: 'Tuesday' }).click();
  await expect(page.getByText('It is red.')).toBeVisible();

  // The journal knows nothing of it, open or not.
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Journal' }).click();
  await expect(page.getByRole('link', { name: 'Tuesday' })).toHaveCount(0);
  expect(await user.api('GET', '/api/journals/')).toEqual([]);
});

test('neither phrase nor text leaves the browser or stays in it', async ({ page, user, context }) => {
  const seen: string[] = [];
  page.on('request', (request) => new URL(request.url()).pathname.startsWith('/api/') && seen.push(`${request.method()} ${request.url()}`));
  const sent = await record(page);
  await signIn(page, user);
  const recoveryKey = await make(page);
  await write(page, 'Tuesday', 'Nobody knows about the lighthouse.');
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Calendar' }).click();
  await page.keyboard.press('F9');
  await isClosed(page);

  // Nothing went another way than the one that is recorded.
  for (const request of seen) expect(sent.some((text) => text.startsWith(`${request} `)), request).toBe(true);
  expect(sent.some((text) => text.includes('encrypted_content'))).toBe(true);
  const everywhere = [...sent, JSON.stringify(await context.storageState({ indexedDB: true })), await page.evaluate(kept)];
  for (const secret of [PHRASE, 'lighthouse', 'Tuesday', 'Therapy', recoveryKey, recoveryKey.replaceAll('-', '')]) {
    for (const text of everywhere) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(Buffer.from(secret).toString('base64url'));
    }
  }
  // Names count as well: nothing that is kept is called after what nobody is to know of.
  expect(await page.evaluate(kept)).not.toMatch(/secret|unlock|vault|opaque/i);
  // Tokens go where they are needed, and nowhere else.
  const shown = sent.filter((text) => text.includes('x-sotto-unlock'));
  expect(shown.length).toBeGreaterThan(0);
  for (const text of shown) expect(text).toMatch(/^\w+ \S+\/api\/(journals|secret-tags)\//);
});

test('what is being written when it is closed is there when it is opened again', async ({ page, user, guard }) => {
  guard.allow(/ERR_FAILED/);
  await signIn(page, user);
  await make(page);
  await page.getByRole('button', { name: 'Write' }).click();
  await page.route('**/api/journals/**', (route) => route.abort());
  await page.locator('.cm-content').click();
  await page.keyboard.type('Not finished yet');
  await page.keyboard.press('F9');
  await isClosed(page);
  await expect(page.getByText('Not finished')).toHaveCount(0);
  await page.unroute('**/api/journals/**');
  await openAs(page, PHRASE);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Write' }).click();
  await expect(page.getByText('Not finished yet')).toBeVisible();
});

test('an entry that two browsers change is lost in neither', async ({ page, user, otherBrowser }) => {
  await signIn(page, user);
  await make(page);
  await write(page, 'Tuesday', 'Begun.');
  const other = await otherBrowser();
  await signIn(other, user);
  await openAs(other, PHRASE);
  await other.getByRole('link', { name: 'Tuesday' }).click();
  await other.getByRole('link', { name: 'Edit' }).click();
  await append(other, ' Said elsewhere.');
  await expect(other.getByText(/^Saved at/)).toBeVisible();
  await append(page, ' Said here.');
  // What the other one sealed was opened here, to be shown beside it.
  await expect(page.getByText('This entry was changed elsewhere')).toBeVisible();
  await expect(page.getByText('Said elsewhere.').first()).toBeVisible();
  await page.getByRole('button', { name: 'Keep what I wrote' }).click();
  await expect(page.getByText(/^Saved at/)).toBeVisible();
  await goToOpen(page);
  await page.getByRole('link', { name: 'Tuesday' }).click();
  await expect(page.getByText('Begun. Said here.')).toBeVisible();
});

test('an entry is moved under a secret tag, and out of it again', async ({ page, user }) => {
  const entry = { title: 'Plain', content: 'To be hidden.', tags: ['rain'], entry_date: '2026-11-20T08:00:00Z' };
  const { id } = await user.api('POST', '/api/journals/', entry);
  await signIn(page, user);
  await make(page);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Journal' }).click();
  await page.getByRole('link', { name: 'Plain' }).click();
  await page.getByRole('button', { name: 'Move' }).click();
  await expect(page.getByRole('dialog')).toContainText('Backups of the server');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Move it' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(user.api('GET', `/api/journals/${id}`)).rejects.toThrow('404');

  await goToOpen(page);
  await page.getByRole('link', { name: 'Plain' }).click();
  await page.getByRole('button', { name: 'Move' }).click();
  await expect(page.getByRole('dialog')).toContainText('whoever runs the server can read it');
  await page.getByRole('button', { name: 'Move it' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  const moved = await user.api('GET', `/api/journals/${id}`);
  expect(moved).toMatchObject({ title: 'Plain', content: 'To be hidden.', secret_tag_id: null, revision: 3 });
  expect(moved.tags.map(({ name }: { name: string }) => name)).toEqual(['rain']);
});

test('entries go with it when it is deleted, after their number was said', async ({ page, user }) => {
  await signIn(page, user);
  await make(page);
  await write(page, 'Tuesday', 'x');
  await goToOpen(page);
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill(NAME);
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('alert')).toHaveText('There is one entry under it. It would be deleted as well.');
  await page.getByRole('button', { name: 'Delete with one entry' }).click();
  await isClosed(page);
  expect(await user.api('GET', '/api/secret-tags/')).toEqual([]);
});

test('a phrase that is wrong, and one where there is nothing, look the same', async ({ page, user, server, otherBrowser }) => {
  await signIn(page, user);
  await make(page);
  await page.keyboard.press('F9');
  const other = await otherBrowser();
  await signIn(other, await newUser(server.url, user.name));

  const shapes = [];
  for (const somebody of [page, other]) {
    const requests: string[] = [];
    somebody.on('request', (request) => {
      const { pathname } = new URL(request.url());
      if (pathname.startsWith('/api/')) requests.push(`${request.method()} ${pathname.replace(/[0-9a-f-]{36}/, '{id}')}`);
    });
    await open(somebody, 'not the phrase');
    await expect(somebody.getByRole('alert')).toHaveText('Nothing was opened.');
    shapes.push({ requests, text: await somebody.locator('body').innerText(), url: new URL(somebody.url()).pathname });
  }
  expect(shapes[0]).toEqual(shapes[1]);
});

test('who tries too often has to wait, and is told for how long', async ({ page, user }) => {
  const sent = await record(page);
  await signIn(page, user);
  await open(page, 'not the phrase');
  await expect(page.getByRole('alert')).toBeVisible();
  const [, path, body] = sent.map((text) => /(\/api\/\S+unlock\/start) .*?(\{.*\})$/.exec(text)).find((found) => found !== null)!;
  // There is nothing, and it is slowed all the same: after nine tries, by 16 seconds.
  let tried = 1;
  const again = () => user.api('POST', path!, JSON.parse(body!)).then(() => ++tried, () => tried);
  await expect.poll(again).toBe(9);
  await field(page).press('Enter');
  await expect(page.getByRole('alert')).toHaveText(/Nothing was opened\. Before the next try, wait \d+ seconds?\./);
});

test('one key closes all, from a field and from a dialog, and wipes the page', async ({ page, user }) => {
  await signIn(page, user);
  await make(page);
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('Half a new name');
  // In the very same turn: nothing waits for the network or for the next page.
  const wiped = page.evaluate(
    () =>
      new Promise<string>((done) => {
        addEventListener('keydown', () => queueMicrotask(() => done(document.documentElement.outerHTML)), { once: true });
      }),
  );
  await page.keyboard.press('F9');
  expect(await wiped).not.toMatch(/Therapy|Half a new name/);
  await isClosed(page);
  await expect(page).toHaveTitle('Journal · Sotto');
  // The way back leads to nothing.
  await page.goBack();
  await expect(page.getByText('Therapy')).toHaveCount(0);
  await goToOpen(page);
  await expect(field(page)).toHaveValue('');
});

test('two are open at once, and closed one by one or together', async ({ page, user }) => {
  await signIn(page, user);
  await make(page, 'One', PHRASE);
  await makeAnother(page, 'Two', 'another phrase of six odd words');

  await page.getByRole('button', { name: 'One', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'One' })).toBeVisible();
  await expectAccessible(page);
  await strip(page).getByRole('button', { name: 'Close Two' }).click();
  await expect(strip(page).getByRole('listitem')).toHaveCount(1);
  await strip(page).getByRole('button', { name: 'Close all' }).click();
  await isClosed(page);
});

test('tabs open for themselves, and close together', async ({ page, user, context }) => {
  await signIn(page, user);
  await make(page);
  const second = await context.newPage();
  await second.goto('/open');
  await expect(field(second)).toBeVisible();
  await expect(strip(second)).toHaveCount(0);
  await field(second).fill(PHRASE);
  await field(second).press('Enter');
  await expect(strip(second)).toBeVisible();
  await second.keyboard.press('F9');
  await isClosed(second);
  await isClosed(page);
});

test('what the server has ended is closed here as well', async ({ page, user }) => {
  await signIn(page, user);
  await make(page);
  await user.api('POST', '/api/secret-tags/lock');
  await page.getByRole('searchbox').fill('rain');
  await isClosed(page);
  await expect(page.getByText('Closed: it was not used for a while, or was closed elsewhere.')).toBeVisible();
});

test('a sign-in that ends closes it, and so does who deletes it elsewhere', async ({ page, user, context, otherBrowser }) => {
  await signIn(page, user);
  await make(page);
  await context.clearCookies();
  await page.getByRole('searchbox').fill('rain');
  const again = page.getByRole('dialog', { name: 'Your sign-in has ended' });
  await expect(again).toBeVisible();
  await expect(page.getByText(NAME)).toHaveCount(0);
  await again.getByRole('textbox').fill(user.password);
  await again.getByRole('button', { name: 'Sign in' }).click();
  await expect(again).toHaveCount(0);
  await openAs(page, PHRASE);

  const other = await otherBrowser();
  await signIn(other, user);
  await openAs(other, PHRASE);
  await other.getByRole('button', { name: 'Delete' }).click();
  await other.getByRole('dialog').getByRole('textbox').fill(NAME);
  await other.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await isClosed(other);
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await isClosed(page);
});

test('a reload closes it, here and on the server', async ({ page, user }) => {
  await signIn(page, user);
  await make(page);
  await page.reload();
  await expect(field(page)).toBeVisible();
  await expect.poll(async () => (await user.api<{ state: string }[]>('GET', '/api/opaque-sessions/')).filter(({ state }) => state === 'unlocked')).toEqual([]);
});

test('the phrase is changed, and the old one opens nothing', async ({ page, user, otherBrowser }) => {
  await signIn(page, user);
  await make(page);
  const other = await otherBrowser();
  await signIn(other, user);
  await openAs(other, PHRASE);

  await page.getByRole('button', { name: 'Change the phrase' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'New phrase' }).fill('monkey');
  await dialog.getByRole('textbox', { name: 'The same again' }).fill('monkey');
  // A phrase that can be guessed takes a clear word.
  await expect(dialog.getByText('Can be guessed', { exact: true })).toBeVisible();
  const change = dialog.getByRole('button', { name: 'Change the phrase' });
  await expect(change).toBeDisabled();
  await dialog.getByRole('checkbox').check();
  await expect(change).toBeEnabled();
  await expectAccessible(page);
  await change.click();
  await expect(page.getByText('The phrase is changed.')).toBeVisible();
  await expect(strip(page)).toBeVisible();

  // The other browser has lost it, and finds out when it does something.
  await other.getByRole('button', { name: 'Rename' }).click();
  await other.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await isClosed(other);
  await open(other, PHRASE);
  await expect(other.getByRole('alert')).toHaveText('Nothing was opened.');
  await openAs(other, 'monkey');
  // The wrong try was counted, and is shown.
  await expect(other.getByText(/Somebody tried a phrase in vain/)).toBeVisible();
});

test('with the recovery key a new phrase is set, without it nothing', async ({ page, user }) => {
  await signIn(page, user);
  const key = await make(page);
  await page.keyboard.press('F9');
  await isClosed(page);

  await goToOpen(page);
  await page.getByRole('button', { name: 'I have a recovery key' }).click();
  const typed = page.getByRole('textbox', { name: 'Recovery key' });
  await typed.fill(key.slice(0, -1));
  await typed.blur();
  await expect(page.getByText('That is not a recovery key yet')).toBeVisible();
  await typed.fill(key.toLowerCase().replaceAll('-', ' '));
  await typeTwice(page, 'six new words for a phrase', 'New phrase');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Set the phrase and open' }).click();
  await expect(page.getByRole('heading', { level: 1, name: NAME })).toBeVisible();

  await page.keyboard.press('F9');
  await isClosed(page);
  await open(page, PHRASE);
  await expect(page.getByRole('alert')).toHaveText('Nothing was opened.');
  await openAs(page, 'six new words for a phrase');
});

test('it is renamed and deleted, by its name', async ({ page, user }) => {
  await signIn(page, user);
  await make(page);
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('שלום 🌒');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'שלום 🌒' })).toBeVisible();

  await page.getByRole('button', { name: 'Delete' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('button', { name: 'Delete' })).toBeDisabled();
  await dialog.getByRole('textbox').fill('שלום 🌒');
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await isClosed(page);
  expect(await user.api('GET', '/api/secret-tags/')).toEqual([]);
});

test('a network that goes in the middle leaves nothing half done, and nothing typed is lost', async ({ page, user, guard }) => {
  guard.allow(/ERR_FAILED/, /ERR_INTERNET_DISCONNECTED/);
  await signIn(page, user);
  for (const [step, message] of [
    ['register/start', 'The server does not answer'],
    ['register/finish', 'The server does not answer'],
  ] as const) {
    await goToOpen(page);
    await page.getByRole('button', { name: 'Keep something under a phrase' }).click();
    await page.getByRole('textbox', { name: 'Name' }).fill(NAME);
    await typeTwice(page, PHRASE);
    await page.getByRole('button', { name: 'Next' }).click();
    const groups = await shownGroups(page);
    await page.getByRole('button', { name: 'I have it' }).click();
    await confirm(page, groups);
    // The request arrives, its answer does not.
    await page.route(`**/api/secret-tags/${step}`, async (route) => (await route.fetch(), await route.abort()), { times: 1 });
    await page.getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('alert')).toContainText(message);
    await page.getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('heading', { level: 1, name: NAME })).toBeVisible();
    await page.keyboard.press('F9');
    await isClosed(page);
  }
  expect(await user.api('GET', '/api/secret-tags/')).toHaveLength(2);

  for (const step of ['unlock/start', 'unlock/finish']) {
    await page.route(`**/api/secret-tags/*/${step}`, (route) => route.abort(), { times: 1 });
    await open(page, PHRASE);
    await expect(page.getByRole('alert')).toContainText('The server does not answer');
    await expect(field(page)).toHaveValue(PHRASE);
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Journal' }).click();
  }
  await openAs(page, PHRASE);
});

test('a browser that blocks the encryption says so', async ({ page, user, guard }) => {
  guard.allow(/worker/i, /ERR_FAILED/);
  await signIn(page, user);
  await page.route('**/assets/worker-*.js', (route) => route.abort());
  await open(page, PHRASE);
  await expect(page.getByRole('alert')).toContainText('Encryption could not be started');
  await expect(field(page)).toHaveValue(PHRASE);
});

test('the page goes on while a phrase is stretched', async ({ page, user }) => {
  await signIn(page, user);
  await goToOpen(page);
  await page.evaluate(() => {
    const state = window as unknown as { longest: number };
    let last = performance.now();
    state.longest = 0;
    setInterval(() => {
      const now = performance.now();
      state.longest = Math.max(state.longest, now - last);
      last = now;
    });
  });
  const start = Date.now();
  await field(page).fill('not the phrase');
  await field(page).press('Enter');
  await expect(page.getByRole('alert')).toBeVisible();
  const took = Date.now() - start;
  // Stretching is most of the time; had it been in the page, it would be one long pause.
  expect(await page.evaluate(() => (window as unknown as { longest: number }).longest)).toBeLessThan(took / 4);
});

test('its pages are accessible', async ({ page, user }) => {
  await signIn(page, user);
  await goToOpen(page);
  await expect(field(page)).toBeFocused();
  await expectAccessible(page);
  await pictures(page, 'open');
  await page.getByRole('button', { name: 'Keep something under a phrase' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill(NAME);
  await typeTwice(page, 'monkey');
  await expect(page.getByText('Can be guessed', { exact: true })).toBeVisible();
  await expectAccessible(page);
  await typeTwice(page, PHRASE);
  await expect(page.getByText('Out of reach')).toBeVisible();
  await pictures(page, 'open-new');
  await page.getByRole('button', { name: 'Next' }).click();
  await expect(page.locator('.groups')).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'open-recovery-key');
  await page.getByRole('button', { name: 'I have it' }).click();
  await expectAccessible(page);
});
