/** Entries under a secret tag in real browsers, and what is left lying around by them: nothing. */

import { onDevice } from '../support/device';
import { append, expect, goToOpen, isClosed, kept, make, NAME, openAs, PHRASE, record, strip, write } from '../support/secret';
import { expectAccessible, pictures, signIn, test } from '../support/test';
import { NETWORK } from '../support/writing';

test.describe.configure({ timeout: 240_000 });

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

test('what is being written when it is closed goes out when it is opened again', async ({ page, user, guard }) => {
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
  await page.getByRole('link', { name: 'Not finished yet' }).click();
  await expect(page.getByText('Not finished yet')).toBeVisible();
  await expect.poll(async () => (await onDevice(page)).slots).toEqual([]);
});

test('an entry that was moved away while it is open elsewhere goes on as another one', async ({ page, user, context }) => {
  const { id } = await user.api('POST', '/api/journals/', { content: 'Said.', entry_date: '2026-11-23T10:00:00Z' });
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await expect(page.locator('.cm-content')).toHaveText('Said.');

  const other = await context.newPage();
  await other.goto('/');
  await make(other);
  await other.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Journal' }).click();
  await other.getByRole('link', { name: 'Said.' }).click();
  await other.getByRole('button', { name: 'Move' }).click();
  await other.getByRole('button', { name: 'Move it' }).click();
  await expect(other.getByRole('dialog')).toHaveCount(0);

  // What is hidden is not told of, and no word of here is lost.
  await append(page, ' And more.');
  await page.getByRole('button', { name: 'Keep what I wrote' }).click();
  await expect(page.getByText(/^Saved at/)).toBeVisible();
  await expect.poll(async () => (await user.api<any[]>('GET', '/api/journals/')).map(({ content }) => content)).toEqual(['Said. And more.']);
  await expect(page).not.toHaveURL(new RegExp(id));
  await other.reload();
  await openAs(other, PHRASE);
  await other.getByRole('link', { name: 'Said.' }).click();
  await expect(other.locator('.markdown')).toHaveText('Said.');
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

test('a long name is read to its end where an entry is moved, on a phone as well', async ({ page, user }) => {
  const name = 'Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen';
  await user.api('POST', '/api/journals/', { title: 'Plain', content: 'x', entry_date: '2026-11-20T08:00:00Z' });
  await signIn(page, user);
  await make(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await expect(strip(page).getByRole('button', { name: `Close ${name}` })).toBeInViewport({ ratio: 1 });
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Journal' }).click();
  await page.getByRole('link', { name: 'Plain' }).click();
  await page.getByRole('button', { name: 'Move' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText(name)).toBeVisible();
  const { x, width } = (await dialog.boundingBox())!;
  for (const one of [dialog.getByText(name), dialog.getByText('Backups of the server')]) {
    const box = (await one.boundingBox())!;
    expect(box.x + box.width).toBeLessThan(x + width);
  }
  expect(await dialog.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)).toBe(0);
  await pictures(page, 'open-move');
});

test('entries go with it when it is deleted, after their number was said, and so does what was not sent', async ({ page, user, guard }) => {
  guard.allow(NETWORK);
  await signIn(page, user);
  await make(page);
  await write(page, 'Tuesday', 'x');
  await goToOpen(page);
  await page.route('**/api/journals/', (route) => (route.request().method() === 'POST' ? route.abort() : route.continue()));
  await page.locator('main').getByRole('button', { name: 'Write' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill('Wednesday');
  await expect.poll(async () => (await onDevice(page)).slots).toHaveLength(1);
  await goToOpen(page);
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill(NAME);
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('alert')).toHaveText('There is one entry under it. It would be deleted as well.');
  await page.getByRole('button', { name: 'Delete with one entry' }).click();
  await isClosed(page);
  expect(await user.api('GET', '/api/secret-tags/')).toEqual([]);
  expect(await onDevice(page)).toMatchObject({ slots: [], asides: [], takes: [], pieces: [] });
});
