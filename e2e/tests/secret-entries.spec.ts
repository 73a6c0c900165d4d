/** Entries under a secret tag: writing, moving and conflicts, and no plain text outside the page. */

import { deviceRows } from '../support/device';
import {
  append,
  browserStorage,
  createTag,
  expect,
  expectLocked,
  goToUnlock,
  NAME,
  PHRASE,
  recordRequests,
  unlock,
  unlockedTagsBar,
  writeEntry,
} from '../support/secret';
import { expectAccessible, pictures, signIn, test } from '../support/test';
import { NETWORK_ERROR } from '../support/writing';

test(
  'an entry sealed in one browser is read, found and edited in another',
  { tag: '@main' },
  async ({ page, user, otherBrowser }) => {
    await signIn(page, user);
    await createTag(page);
    await expect(page.getByText('Nothing here yet')).toBeVisible();
    await writeEntry(page, 'Tuesday', 'Nobody knows about the **lighthouse**.');
    await goToUnlock(page);
    await writeEntry(page, 'Regen ☔', 'Über den Wolken');

    const other = await otherBrowser();
    await signIn(other, user);
    await unlock(other, PHRASE);
    await expect(other.getByRole('link', { name: 'Tuesday' })).toBeVisible();
    await expectAccessible(other);
    await pictures(other, 'secret-tag');
    await other.getByRole('searchbox').fill('uber');
    await expect(other.getByRole('link', { name: 'Regen' })).toBeVisible();
    await expect(other.getByRole('link', { name: 'Tuesday' })).toHaveCount(0);
    await other.getByRole('searchbox').fill('lightho');
    await other.getByRole('link', { name: 'Tuesday' }).click();
    await expect(other.locator('strong', { hasText: 'lighthouse' })).toBeVisible();
    // The page title, which the browser history stores, does not reveal the entry.
    await expect(other).toHaveTitle('Entry · Sotto');

    await other.getByRole('link', { name: 'Edit' }).click();
    await append(other, ' It is red.');
    await expect(other.getByText(/^Saved at/)).toBeVisible();
    await goToUnlock(page);
    await page.getByRole('link', { name: 'Tuesday' }).click();
    await expect(page.getByText('It is red.')).toBeVisible();

    // The journal does not list the entry, even while its tag is unlocked.
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Journal' }).click();
    await expect(page.getByRole('link', { name: 'Tuesday' })).toHaveCount(0);
    expect(await user.api('GET', '/api/journals/')).toEqual([]);
  },
);

test('neither the passphrase nor plain text is sent or stored', async ({ page, user, context }) => {
  const seen: string[] = [];
  page.on(
    'request',
    (request) =>
      new URL(request.url()).pathname.startsWith('/api/') && seen.push(`${request.method()} ${request.url()}`),
  );
  const sent = await recordRequests(page);
  await signIn(page, user);
  const recoveryKey = await createTag(page);
  await writeEntry(page, 'Tuesday', 'Nobody knows about the lighthouse.');
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Calendar' }).click();
  await page.keyboard.press('F9');
  await expectLocked(page);

  // The recording covers all API requests.
  for (const request of seen)
    expect(
      sent.some((text) => text.startsWith(`${request} `)),
      request,
    ).toBe(true);
  expect(sent.some((text) => text.includes('encrypted_content'))).toBe(true);
  const everywhere = [
    ...sent,
    JSON.stringify(await context.storageState({ indexedDB: true })),
    await page.evaluate(browserStorage),
  ];
  for (const secret of [PHRASE, 'lighthouse', 'Tuesday', 'Therapy', recoveryKey, recoveryKey.replaceAll('-', '')]) {
    for (const text of everywhere) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(Buffer.from(secret).toString('base64url'));
    }
  }
  // The names of keys, databases and caches do not reveal that secret tags are used either.
  expect(await page.evaluate(browserStorage)).not.toMatch(/secret|unlock|vault|opaque/i);
  // Unlock tokens are sent only to the routes that need them.
  const shown = sent.filter((text) => text.includes('x-sotto-unlock'));
  expect(shown.length).toBeGreaterThan(0);
  for (const text of shown) expect(text).toMatch(/^\w+ \S+\/api\/(journals|secret-tags)\//);
});

test('a draft that is interrupted by a lock is sent after the next unlock', async ({ page, user, guard }) => {
  guard.allow(/ERR_FAILED/);
  await signIn(page, user);
  await createTag(page);
  await page.getByRole('button', { name: 'Write' }).click();
  await page.route('**/api/journals/**', (route) => route.abort());
  await page.locator('.cm-content').click();
  await page.keyboard.type('Not finished yet');
  await page.keyboard.press('F9');
  await expectLocked(page);
  await expect(page.getByText('Not finished')).toHaveCount(0);
  await page.unroute('**/api/journals/**');
  await unlock(page, PHRASE);
  await page.getByRole('link', { name: 'Not finished yet' }).click();
  await expect(page.getByText('Not finished yet')).toBeVisible();
  await expect.poll(async () => (await deviceRows(page)).drafts).toEqual([]);
});

test('a draft of an entry that was moved elsewhere continues as a new entry', async ({ page, user, context }) => {
  const { id } = await user.api('POST', '/api/journals/', {
    content: 'A quiet day.',
    entry_date: '2026-11-23T10:00:00Z',
  });
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await expect(page.locator('.cm-content')).toHaveText('A quiet day.');

  const other = await context.newPage();
  await other.goto('/');
  await createTag(other);
  await other.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Journal' }).click();
  await other.getByRole('link', { name: 'A quiet day.' }).click();
  await other.getByRole('button', { name: 'Move' }).click();
  await other.getByRole('button', { name: 'Move it' }).click();
  await expect(other.getByRole('dialog')).toHaveCount(0);

  // The page does not reveal the move, and the draft is not lost.
  await append(page, ' And more.');
  await page.getByRole('button', { name: 'Keep what I wrote' }).click();
  await expect(page.getByText(/^Saved at/)).toBeVisible();
  await expect
    .poll(async () => (await user.api<any[]>('GET', '/api/journals/')).map(({ content }) => content))
    .toEqual(['A quiet day. And more.']);
  await expect(page).not.toHaveURL(new RegExp(id));
  await other.reload();
  await unlock(other, PHRASE);
  await other.getByRole('link', { name: 'A quiet day.' }).click();
  await expect(other.locator('.markdown')).toHaveText('A quiet day.');
});

test('a conflict between two browsers loses neither text', async ({ page, user, otherBrowser }) => {
  await signIn(page, user);
  await createTag(page);
  await writeEntry(page, 'Tuesday', 'At noon.');
  const other = await otherBrowser();
  await signIn(other, user);
  await unlock(other, PHRASE);
  await other.getByRole('link', { name: 'Tuesday' }).click();
  await other.getByRole('link', { name: 'Edit' }).click();
  await append(other, ' Rain elsewhere.');
  await expect(other.getByText(/^Saved at/)).toBeVisible();
  await append(page, ' Sun here.');
  // This browser decrypts the other version, to show it next to its own.
  await expect(page.getByText('This entry was changed elsewhere')).toBeVisible();
  await expect(page.getByText('Rain elsewhere.').first()).toBeVisible();
  await page.getByRole('button', { name: 'Keep what I wrote' }).click();
  await expect(page.getByText(/^Saved at/)).toBeVisible();
  await goToUnlock(page);
  await page.getByRole('link', { name: 'Tuesday' }).click();
  await expect(page.getByText('At noon. Sun here.')).toBeVisible();
});

test('an entry is moved under a secret tag and out again', async ({ page, user }) => {
  const entry = { title: 'Plain', content: 'For me alone.', tags: ['rain'], entry_date: '2026-11-20T08:00:00Z' };
  const { id } = await user.api('POST', '/api/journals/', entry);
  await signIn(page, user);
  await createTag(page);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Journal' }).click();
  await page.getByRole('link', { name: 'Plain' }).click();
  await page.getByRole('button', { name: 'Move' }).click();
  await expect(page.getByRole('dialog')).toContainText('Older backups of the server');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Move it' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(user.api('GET', `/api/journals/${id}`)).rejects.toThrow('404');

  await goToUnlock(page);
  await page.getByRole('link', { name: 'Plain' }).click();
  await page.getByRole('button', { name: 'Move' }).click();
  await expect(page.getByRole('dialog')).toContainText('the person who runs the server can read it');
  await page.getByRole('button', { name: 'Move it' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  const moved = await user.api('GET', `/api/journals/${id}`);
  expect(moved).toMatchObject({ title: 'Plain', content: 'For me alone.', secret_tag_id: null, revision: 3 });
  expect(moved.tags.map(({ name }: { name: string }) => name)).toEqual(['rain']);
});

test('the move dialog shows a long tag name in full on a phone', async ({ page, user }) => {
  const name = 'Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen';
  await user.api('POST', '/api/journals/', { title: 'Plain', content: 'x', entry_date: '2026-11-20T08:00:00Z' });
  await signIn(page, user);
  await createTag(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await expect(unlockedTagsBar(page).getByRole('button', { name: `Lock ${name}` })).toBeInViewport({ ratio: 1 });
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Journal' }).click();
  await page.getByRole('link', { name: 'Plain' }).click();
  await page.getByRole('button', { name: 'Move' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText(name)).toBeVisible();
  const { x, width } = (await dialog.boundingBox())!;
  for (const one of [dialog.getByText(name), dialog.getByText('Older backups of the server')]) {
    const box = (await one.boundingBox())!;
    expect(box.x + box.width).toBeLessThan(x + width);
  }
  expect(await dialog.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)).toBe(0);
  await pictures(page, 'secret-move');
});

test('deleting a tag deletes its entries and drafts, after a confirmation with the number of entries', async ({
  page,
  user,
  guard,
}) => {
  guard.allow(NETWORK_ERROR);
  await signIn(page, user);
  await createTag(page);
  await writeEntry(page, 'Tuesday', 'x');
  await goToUnlock(page);
  await page.route('**/api/journals/', (route) =>
    route.request().method() === 'POST' ? route.abort() : route.continue(),
  );
  await page.locator('main').getByRole('button', { name: 'Write' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill('Wednesday');
  await expect.poll(async () => (await deviceRows(page)).drafts).toHaveLength(1);
  await goToUnlock(page);
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill(NAME);
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('alert')).toHaveText("There's one entry under it. It would be deleted as well.");
  await page.getByRole('button', { name: 'Delete with one entry' }).click();
  await expectLocked(page);
  expect(await user.api('GET', '/api/secret-tags/')).toEqual([]);
  await expect
    .poll(() => deviceRows(page))
    .toMatchObject({ drafts: [], conflictCopies: [], recordings: [], chunks: [] });
});
