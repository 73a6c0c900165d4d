/** Writing: nothing that a person types gets lost, whatever happens to the network, the server, the login or the tab. */

import { expect as expectNow, expectAccessible, newUser, pictures, Server, signIn, test, type Page, type User } from '../support/test';

/** Saving waits for a pause in typing, and the machine may be busy. */
const expect = expectNow.configure({ timeout: 20_000 });
test.describe.configure({ timeout: 90_000 });

const paper = (page: Page) => page.getByRole('textbox', { name: 'Text', exact: true });
const title = (page: Page) => page.getByRole('textbox', { name: 'Title' });
const tags = (page: Page) => page.getByRole('combobox', { name: 'Tags' });
const saved = (page: Page) => page.getByText(/^Saved at/);
const kept = (page: Page) => page.getByText('Kept on this device', { exact: true });

/** What the network's absence makes a browser log. */
const NETWORK = /ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_REFUSED|ERR_FAILED/;
const BROKEN = /status of 50\d/;

async function write(page: Page, text: string): Promise<void> {
  await paper(page).click();
  await page.keyboard.press('Control+End');
  await page.keyboard.insertText(text);
}

async function newPage(page: Page, text: string): Promise<string> {
  await page.goto('/write');
  await write(page, text);
  await expect(page).toHaveURL(/\/entries\/[0-9a-f-]{36}\/edit$/);
  return page.url().split('/').at(-2)!;
}

const entries = (user: User) => user.api<any[]>('GET', '/api/journals/');

async function newEntry(user: User, content: string): Promise<string> {
  const { id } = await user.api('POST', '/api/journals/', { content, entry_date: '2026-11-25T08:00:00Z' });
  return id;
}

test('what is written is saved by itself, and there after a reload @main', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/write');
  await expect(paper(page)).toBeFocused();
  await expectAccessible(page);
  await pictures(page, 'write-empty');
  await title(page).fill('An evening 🌙 שלום');
  await title(page).press('Enter');
  await expect(paper(page)).toBeFocused();
  await page.keyboard.type('We sat **outside**.\n- one\ntwo');
  await tags(page).fill('garden');
  await tags(page).press('Enter');
  await expect(saved(page)).toBeVisible();
  await expect(page.getByText('8 words')).toBeVisible();
  await expectAccessible(page);

  const [entry] = await entries(user);
  expect(entry).toMatchObject({ title: 'An evening 🌙 שלום', content: 'We sat **outside**.\n- one\n- two', entry_zone: 'Europe/Berlin' });
  expect(entry.tags.map(({ name }: { name: string }) => name)).toEqual(['garden']);

  await page.reload();
  await expect(title(page)).toHaveValue('An evening 🌙 שלום');
  await expect(paper(page)).toContainText('- two');
  await page.getByRole('button', { name: 'Preview' }).click();
  await expect(page.locator('.markdown strong')).toHaveText('outside');
  await page.getByRole('button', { name: 'Keep writing' }).click();
  await write(page, '\n');
  await expect(saved(page)).toBeVisible();
  expect(await entries(user)).toHaveLength(1);
});

test('bold by key, headings by the bar, and undo', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/write');
  await paper(page).click();
  await page.keyboard.type('plain ');
  await page.keyboard.press('Control+b');
  await page.keyboard.type('bold');
  await expect(paper(page)).toHaveText('plain **bold**');
  await page.getByRole('button', { name: 'Heading' }).click();
  await expect(paper(page)).toHaveText('# plain **bold**');
  await page.keyboard.press('Control+z');
  await expect(paper(page)).toHaveText('plain **bold**');
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(paper(page)).not.toHaveText('plain **bold**');
  await page.getByRole('button', { name: 'Redo' }).click();
  await expect(paper(page)).toHaveText('plain **bold**');

  const bar = page.getByRole('toolbar', { name: 'Formatting' });
  await bar.getByRole('button', { name: 'Heading' }).focus();
  await page.keyboard.press('ArrowRight');
  await expect(bar.getByRole('button', { name: 'Bold' })).toBeFocused();
  await page.keyboard.press('End');
  await expect(bar.getByRole('button', { name: 'Redo' })).toBeFocused();
});

test('input methods and assistive technology reach the text within its shadow root', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/write');
  await expect(paper(page)).toBeFocused();
  const browser = await page.context().newCDPSession(page);
  await browser.send('Input.imeSetComposition', { text: 'に', selectionStart: 1, selectionEnd: 1 });
  await browser.send('Input.imeSetComposition', { text: 'にほん', selectionStart: 3, selectionEnd: 3 });
  await expect(paper(page)).toHaveText('にほん');
  await browser.send('Input.insertText', { text: '日本' });
  await expect(paper(page)).toHaveText('日本');
  // As the browser hands it to a screen reader.
  const { nodes } = await browser.send('Accessibility.getFullAXTree');
  const text = nodes.find(({ role, name }) => role?.value === 'textbox' && name?.value === 'Text');
  const about = Object.fromEntries((text?.properties ?? []).map(({ name, value }) => [name, value.value]));
  expect(about).toMatchObject({ multiline: true, focused: true });
  expect(text?.value?.value).toContain('日本');
  await expect(saved(page)).toBeVisible();
  expect((await entries(user))[0].content).toBe('日本');
});

test('each line goes in the direction of its words, and a task can be ticked', async ({ page, user }) => {
  await signIn(page, user);
  await newPage(page, 'left to right\nמימין לשמאל\n- [ ] water the roses');
  const lines = paper(page).locator('.cm-line');
  expect(await lines.evaluateAll((all) => all.map((line) => getComputedStyle(line).direction))).toEqual(['ltr', 'rtl', 'ltr']);
  await paper(page).locator('.task').click();
  await expect(lines.nth(2)).toHaveText('- [x] water the roses');
});

test('day, time and zone can be chosen', async ({ page, user }) => {
  await signIn(page, user);
  const id = await newPage(page, 'In Tokyo');
  await page.locator('.when > button').click();
  await page.getByLabel('Day').fill('2026-03-01');
  await page.getByLabel('Time', { exact: true }).fill('23:15');
  await page.getByLabel('Time zone').selectOption('Asia/Tokyo');
  await expectAccessible(page);
  await expect(saved(page)).toBeVisible();
  await expect.poll(async () => (await entries(user))[0].entry_zone).toBe('Asia/Tokyo');
  expect((await user.api('GET', `/api/journals/${id}`)).entry_date).toBe('2026-03-01T14:15:00Z');
});

test('tags are typed, picked and taken away by keyboard, and a hundred are enough', async ({ page, user }) => {
  for (const name of ['Garden', 'Gardening', 'Work']) await user.api('POST', '/api/tags/', { name });
  await signIn(page, user);
  const id = await newPage(page, 'tagged');
  await tags(page).fill('gard');
  await expect(page.getByRole('option')).toHaveText(['Garden', 'Gardening', 'New tag “gard”']);
  await expectAccessible(page);
  await tags(page).press('ArrowDown');
  await tags(page).press('ArrowDown');
  await tags(page).press('Enter');
  await tags(page).fill('GARDENING');
  await tags(page).press('Enter');
  await expect(page.getByText('GARDENING is there already.')).toBeVisible();
  await tags(page).press('Backspace');
  await expect(page.getByRole('button', { name: /^Remove/ })).toHaveCount(0);

  await tags(page).fill(Array.from({ length: 100 }, (_, n) => `tag ${n}`).join(','));
  await tags(page).fill('one more');
  await tags(page).press('Enter');
  await expect(page.getByText('That is enough')).toBeVisible();
  await expect(page.getByRole('button', { name: /^Remove/ })).toHaveCount(100);
  await expect(saved(page)).toBeVisible();
  expect((await user.api('GET', `/api/journals/${id}`)).tags).toHaveLength(100);
});

test('a prompt and a template for an empty page', async ({ page, user }) => {
  await user.api('PUT', '/api/users/me', { preferences: { prompts: true, templates: [{ id: 'a', name: 'Evening', content: '## Good\n\n## Hard\n' }] } });
  await signIn(page, user);
  await page.goto('/write');
  await page.getByRole('button', { name: 'Evening' }).click();
  await expect(paper(page)).toContainText('## Hard');
  await expect(page.getByRole('button', { name: 'Evening' })).toHaveCount(0);
  await page.keyboard.press('Control+z');
  await page.getByRole('button', { name: 'Write about this' }).click();
  await expect(paper(page)).toContainText(/^> .+\?/);
});

test('a megabyte stays usable', async ({ page, user }) => {
  const text = Array.from({ length: 14_000 }, (_, line) => `Line ${line} of a very long day, with some **bold** words and more of them in it`).join('\n').slice(0, 1_000_000);
  const id = await newEntry(user, text);
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await write(page, '\nThe end.');
  await expect(paper(page)).toContainText('The end.');
  await expect(saved(page)).toBeVisible();
  expect((await user.api('GET', `/api/journals/${id}`)).content).toBe(`${text}\nThe end.`);
  await write(page, ' more'.repeat(12_000));
  await expect(page.getByText('The text is too long.')).toBeVisible();
  await page.keyboard.press('Control+z');
  await expect(saved(page)).toBeVisible();
});

test('offline and back: it is kept here, and goes out by itself', async ({ page, user, context, guard }) => {
  guard.allow(NETWORK);
  await signIn(page, user);
  await newPage(page, 'Before the tunnel.');
  await expect(saved(page)).toBeVisible();
  await context.setOffline(true);
  await write(page, ' In the tunnel.');
  await expect(page.getByText('You are offline.')).toBeVisible();
  await expect(kept(page)).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'write-offline');
  expect((await entries(user))[0].content).toBe('Before the tunnel.');
  await context.setOffline(false);
  await expect(saved(page)).toBeVisible();
  expect((await entries(user))[0].content).toBe('Before the tunnel. In the tunnel.');
});

test('a server that answers 500, loses answers, and comes back makes no second entry', async ({ page, user, guard }) => {
  guard.allow(NETWORK, BROKEN);
  await signIn(page, user);
  let trouble: 'broken' | 'lost' | null = 'broken';
  await page.route('**/api/journals/**', async (route) => {
    if (trouble === 'broken') return route.fulfill({ status: 500, json: { detail: 'no' } });
    if (trouble === 'lost') {
      await route.fetch();
      return route.abort('failed');
    }
    return route.continue();
  });
  await newPage(page, 'Once.');
  await expect(page.getByText('The server is in trouble')).toBeVisible();
  trouble = 'lost';
  await page.getByRole('button', { name: 'Try now' }).click();
  await expect.poll(async () => (await entries(user)).length).toBe(1);
  await write(page, ' Twice.');
  await expect(page.getByText('It is sent when the network is back.')).toBeVisible();
  trouble = null;
  await page.getByRole('button', { name: 'Try now' }).click();
  await expect(saved(page)).toBeVisible();
  expect((await entries(user)).map(({ content }) => content)).toEqual(['Once. Twice.']);
});

test('what the server refuses stays on the page, with the reason', async ({ page, user, guard }) => {
  guard.allow(/status of 507/);
  await signIn(page, user);
  await page.route('**/api/journals/**', (route) => route.fulfill({ status: 507, json: { detail: 'Your quota is used up.' } }));
  await newPage(page, 'No room.');
  await expect(page.getByText('There is no room left for you on the server.')).toBeVisible();
  await page.unroute('**/api/journals/**');
  await title(page).fill('ü'.repeat(300));
  await expect(page.getByText('Not saved: The title is too long.')).toBeVisible();
  await expect(paper(page)).toHaveText('No room.');
  await title(page).fill('short');
  await expect(saved(page)).toBeVisible();
});

test.describe('with the app kept on the device', () => {
  test.use({ serviceWorkers: 'allow' });

  test('a reload without a network, in the middle of a sentence, loses nothing; a new start sends it', async ({ page, user, context, guard }) => {
    guard.allow(NETWORK);
    await signIn(page, user);
    await page.goto('/write');
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
    await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
    await context.setOffline(true);
    await write(page, 'In the middle of a sen');
    await expect(kept(page)).toBeVisible();
    await page.reload();
    await expect(paper(page)).toHaveText('In the middle of a sen');
    await write(page, 'tence.');
    await expect(kept(page)).toBeVisible();
    await page.close();
    await context.setOffline(false);
    const next = await context.newPage();
    await next.goto('/tags');
    // Another tab looks after a draft once it is half a minute old.
    await next.clock.install();
    await next.goto('/tags');
    await next.clock.fastForward(40_000);
    await expect.poll(async () => (await entries(user)).map(({ content }) => content)).toEqual(['In the middle of a sentence.']);
  });

  test('a server that was stopped and started again gets what was written meanwhile', async ({ page, guard }) => {
    guard.allow(NETWORK, BROKEN);
    const up = await Server.start();
    guard.visit(up.url);
    const user = await newUser(up.url);
    await signIn(page, user, up.url);
    await page.goto(`${up.url}/write`);
    await write(page, 'While it is up.');
    await expect(saved(page)).toBeVisible();
    await up.restart(async () => {
      await write(page, ' While it is down.');
      await expect(page.getByText('It is sent when the network is back.')).toBeVisible();
    });
    await page.getByRole('button', { name: 'Try now' }).click();
    await expect(saved(page)).toBeVisible();
    expect((await entries(user))[0].content).toBe('While it is up. While it is down.');
    await up.stop();
  });
});

test('signed out with an unsent draft: only its owner finds it again', async ({ page, user, server, guard }) => {
  guard.allow(NETWORK);
  await signIn(page, user);
  await page.route('**/api/journals/**', (route) => (route.request().method() === 'POST' ? route.abort('failed') : route.continue()));
  await newPage(page, 'Not for other eyes.');
  await expect(page.getByText('It is sent when the network is back.')).toBeVisible();
  await page.goto('/more');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/\/login/);
  const left = await page.evaluate(async () => {
    const db = await new Promise<IDBDatabase>((done) => (indexedDB.open('sotto').onsuccess = ({ target }) => done((target as IDBOpenDBRequest).result)));
    const all = (name: string) => new Promise<any[]>((done) => (db.transaction(name).objectStore(name).getAll().onsuccess = ({ target }) => done((target as IDBRequest).result)));
    const text = (data: ArrayBuffer) => new TextDecoder('latin1').decode(data);
    const [keys, slots] = [await all('keys'), await all('slots')];
    return { keys: keys.length, slots: slots.length, plain: slots.some(({ draft, base }) => (text(draft.box.data) + text(base.box.data)).includes('eyes')) };
  });
  expect(left).toEqual({ keys: 0, slots: 1, plain: false });

  const other = await newUser(server.url, 'Grace Hopper');
  await signIn(page, other);
  await page.goto('/write');
  await expect(paper(page)).toBeVisible();
  await expect(page.getByText('Not for other eyes.')).toHaveCount(0);
  await page.goto('/more');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/\/login/);

  await signIn(page, user);
  await page.goto('/write');
  await page.getByRole('link', { name: 'Not for other eyes.' }).click();
  await expect(paper(page)).toHaveText('Not for other eyes.');
  await page.unroute('**/api/journals/**');
  await page.reload();
  await expect.poll(async () => (await entries(user)).map(({ content }) => content)).toEqual(['Not for other eyes.']);
  expect(await entries(other)).toEqual([]);
});

test('a draft that was never sent is thrown away after one question', async ({ page, user, guard }) => {
  guard.allow(NETWORK);
  await signIn(page, user);
  await page.route('**/api/journals/**', (route) => (route.request().method() === 'POST' ? route.abort('failed') : route.continue()));
  await newPage(page, 'Never mind.');
  await expect(page.getByText('It is sent when the network is back.')).toBeVisible();
  await page.getByRole('button', { name: 'Throw away' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(paper(page)).toHaveText('Never mind.');
  await page.getByRole('button', { name: 'Throw away' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Throw away' }).click();
  await expect(page).toHaveURL('/');
  await page.unroute('**/api/journals/**');
  await page.goto('/write');
  await expect(paper(page)).toBeVisible();
  await expect(page.getByText('Never mind.')).toHaveCount(0);
  expect(await entries(user)).toEqual([]);
});

test('a login that ends while somebody writes: they sign in on top of the page, and it is saved', async ({ page, user, context }) => {
  await signIn(page, user);
  await newPage(page, 'Before.');
  await expect(saved(page)).toBeVisible();
  await context.clearCookies();
  await write(page, ' After.');
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.getByRole('dialog').locator('input[type="password"]').fill(user.password);
  await page.getByRole('dialog').locator('button[type="submit"]').click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(saved(page)).toBeVisible();
  await expect(paper(page)).toHaveText('Before. After.');
  expect((await entries(user))[0].content).toBe('Before. After.');
});

test('somebody else signs in from another tab: nothing gets into the wrong journal', async ({ page, user, server, context }) => {
  await signIn(page, user);
  await newPage(page, 'Of the first.');
  await expect(saved(page)).toBeVisible();
  const other = await newUser(server.url, 'Grace Hopper');
  const tab = await context.newPage();
  await tab.goto('/more');
  await tab.getByRole('button', { name: 'Sign out' }).click();
  await expect(tab).toHaveURL(/\/login/);
  await write(page, ' Still the first.');
  await signIn(tab, other);
  await expect(page).toHaveURL('/');
  await expect(page.getByText(/(Of|Still) the first/)).toHaveCount(0);
  expect(await entries(other)).toEqual([]);
});

test('two tabs with one entry: the text follows from one to the other', async ({ page, user, context }) => {
  const id = await newEntry(user, 'Begun.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  const tab = await context.newPage();
  await tab.goto(`/entries/${id}/edit`);
  await expect(paper(tab)).toHaveText('Begun.');
  await write(page, ' Left.');
  await expect(paper(tab)).toHaveText('Begun. Left.');
  await write(tab, ' Right.');
  await expect(paper(page)).toHaveText('Begun. Left. Right.');
  await expect(saved(tab)).toBeVisible();
  await expect(saved(page)).toBeVisible();
  expect((await entries(user))[0].content).toBe('Begun. Left. Right.');
});

test('two tabs that do not hear of each other: the later text wins, the earlier one is set aside', async ({ page, user, context, guard }) => {
  guard.allow(NETWORK);
  const id = await newEntry(user, 'Begun.');
  await signIn(page, user);
  await context.route('**/api/journals/**', (route) => (route.request().method() === 'PUT' ? route.abort('failed') : route.continue()));
  await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'BroadcastChannel'));
  const tab = await context.newPage();
  for (const one of [page, tab]) {
    await one.goto(`/entries/${id}/edit`);
    await expect(paper(one)).toHaveText('Begun.');
  }
  await write(page, ' Left.');
  await expect(page.getByText('It is sent when the network is back.')).toBeVisible();
  await write(tab, ' Right.');
  await expect(tab.getByText('Another tab wrote at the same moment.')).toBeVisible();
  await tab.getByRole('button', { name: /^Begun\. Left\./ }).click();
  await tab.getByRole('button', { name: 'Put onto the page' }).click();
  await expect(paper(tab)).toHaveText('Begun. Left.');
  await expect(tab.getByRole('button', { name: /^Begun\. Right\./ })).toBeVisible();
});

for (const decision of ['mine', 'theirs', 'merged'] as const) {
  test(`changed on two devices, and the person decides: ${decision} @main`, async ({ page, user, otherBrowser }) => {
    const id = await newEntry(user, 'Morning.\n\nNoon.\n\nEvening.');
    const other = await otherBrowser();
    for (const one of [page, other]) {
      await signIn(one, user);
      await one.goto(`/entries/${id}/edit`);
      await expect(paper(one)).toContainText('Evening.');
    }
    await write(other, ' With rain.');
    await expect(saved(other)).toBeVisible();
    await paper(page).click();
    await page.keyboard.press('Control+Home');
    await page.keyboard.insertText('Early ');
    await expect(page.getByText('This entry was changed elsewhere')).toBeVisible();
    await expect(page.getByRole('article', { name: 'What you wrote here' })).toContainText('Early Morning.');
    await expect(page.getByRole('article', { name: 'What it says elsewhere' }).locator('mark')).toContainText('With rain.');
    await expectAccessible(page);
    if (decision === 'mine') await pictures(page, 'write-conflict');

    const stored = async () => (await user.api('GET', `/api/journals/${id}`)).content;
    const [mine, theirs] = ['Early Morning.\n\nNoon.\n\nEvening.', 'Morning.\n\nNoon.\n\nEvening. With rain.'];
    if (decision === 'mine') {
      await page.getByRole('button', { name: 'Keep what I wrote' }).click();
      await expect.poll(stored).toBe(mine);
    } else if (decision === 'theirs') {
      await page.getByRole('button', { name: 'Take the other' }).click();
      await expect(paper(page)).toContainText('With rain.');
      expect(await stored()).toBe(theirs);
    } else {
      await page.getByRole('button', { name: 'Make one text of both' }).click();
      const merged = page.getByLabel('One text out of both');
      await expect(merged).toHaveValue('Early Morning.\n\nNoon.\n\nEvening. With rain.');
      await merged.press('Control+End');
      await merged.pressSequentially(' Both.');
      await expectAccessible(page);
      await page.getByRole('button', { name: 'Take this text' }).click();
      await expect.poll(stored).toBe('Early Morning.\n\nNoon.\n\nEvening. With rain. Both.');
    }

    // The other version stays until it is thrown away, also after a reload.
    await page.reload();
    const versions = page.getByRole('button', { name: /Morning/ });
    await expect(versions).toHaveCount(decision === 'merged' ? 2 : 1);
    await versions.first().click();
    const dialog = page.getByRole('dialog');
    if (decision !== 'merged') await expect(dialog).toContainText(decision === 'mine' ? 'With rain.' : 'Early');
    await expectAccessible(page);
    await dialog.getByRole('button', { name: 'Throw away' }).click();
    await expect(versions).toHaveCount(decision === 'merged' ? 1 : 0);
  });
}

test('deleted elsewhere: it can be kept as an entry, or let go and found again', async ({ page, user }) => {
  const id = await newEntry(user, 'Here today.');
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await write(page, ' Gone tomorrow.');
  await expect(saved(page)).toBeVisible();
  await user.api('DELETE', `/api/journals/${id}`);
  await write(page, ' Or not.');
  await expect(page.getByText('This entry was deleted elsewhere')).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Keep what I wrote' }).click();
  await expect.poll(async () => (await entries(user)).map(({ content }) => content)).toEqual(['Here today. Gone tomorrow. Or not.']);

  await user.api('DELETE', `/api/journals/${id}`);
  await write(page, ' Again.');
  await page.getByRole('button', { name: 'Let it go' }).click();
  await expect(page).toHaveURL('/write');
  await page.getByRole('button', { name: /Here today/ }).click();
  await page.getByRole('button', { name: 'Put onto the page' }).click();
  await expect(paper(page)).toHaveText('Here today. Gone tomorrow. Or not. Again.');
  await expect.poll(async () => (await entries(user)).map(({ content }) => content)).toEqual(['Here today. Gone tomorrow. Or not. Again.']);
});

test('an address without an entry says so', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/entries/01935b2f-0000-7000-8000-000000000000/edit');
  await expect(page.getByText('This entry is not here')).toBeVisible();
  await page.getByRole('link', { name: 'Write' }).last().click();
  await expect(paper(page)).toBeVisible();
});
