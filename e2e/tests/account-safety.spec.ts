/** What protects an account: the confirmation of a sign-in, recent activity, and the first run of a server. */

import { ageSignIns, expect, expectAccessible, pictures, Server, signIn, test } from '../support/test';

test(
  'a while after the sign-in, a sensitive request needs the password',
  { tag: '@main' },
  async ({ page, user, server, engine }) => {
    await signIn(page, user);
    await ageSignIns(page, server, engine, user.email);
    await page.goto('/settings/tokens');
    const name = page.getByLabel("What's it for?");
    const create = page.getByRole('button', { name: 'Create token' });
    await name.fill('Import');
    await create.click();
    const question = page.getByRole('dialog', { name: 'Is it you?' });
    await expect(question.getByText('You signed in a while ago.')).toBeVisible();
    await expectAccessible(page);
    await pictures(page, 'confirm-sign-in');

    // The form stays as it was when the user does not confirm.
    await question.getByRole('button', { name: 'Cancel' }).click();
    await expect(question).toHaveCount(0);
    await expect(create).toBeFocused();
    await expect(name).toHaveValue('Import');
    await expect(page.getByRole('alert')).toHaveCount(0);
    expect(await user.api('GET', '/api/users/me/tokens')).toEqual([]);

    await create.click();
    await question.getByLabel('Password', { exact: true }).fill('wrong horse');
    await question.getByRole('button', { name: 'Confirm' }).click();
    await expect(question.getByText("This isn't your password.")).toBeVisible();
    await expect(question.getByLabel('Password', { exact: true })).toBeFocused();
    await question.getByLabel('Password', { exact: true }).fill(user.password);
    await question.getByRole('button', { name: 'Confirm' }).click();
    await expect(page.getByRole('dialog', { name: 'Your new token' })).toBeVisible();
    expect(await user.api('GET', '/api/users/me/tokens')).toHaveLength(1);
  },
);

test('a while after the sign-in, a download asks for the password first', async ({ page, user, server, engine }) => {
  await signIn(page, user);
  await ageSignIns(page, server, engine, user.email);
  await page.goto('/settings/data');
  const download = page.getByRole('button', { name: 'Download everything' });
  await download.click();
  const question = page.getByRole('dialog', { name: 'Is it you?' });
  await question.getByLabel('Password', { exact: true }).fill(user.password);
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    question.getByRole('button', { name: 'Confirm' }).click(),
  ]);
  expect(file.suggestedFilename()).toMatch(/\.zip$/);
  expect(await file.failure()).toBeNull();
  // The confirmation holds for a while.
  const [again] = await Promise.all([page.waitForEvent('download'), download.click()]);
  expect(await again.failure()).toBeNull();
});

test('recent activity shows what happened, and where', { tag: '@main' }, async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/settings/activity');
  const events = page.getByRole('list', { name: 'What happened' }).getByRole('listitem');
  await expect(events.first()).toContainText('Signed in');
  await expect(events.first()).toContainText('Chrome on Windows · 127.0.0.1');
  await user.api('POST', '/api/users/me/tokens', { name: 'Import', scopes: ['entries:read'] });
  await page.reload();
  await expect(events.first()).toContainText('API token created');
  await expect(events.first()).toContainText('node');
});

test('recent activity loads page by page, and names unknown events', async ({ page, user }) => {
  await signIn(page, user);
  await page.route('**/api/users/me/activity?*', (route) => {
    const second = new URL(route.request().url()).searchParams.get('cursor') === 'second';
    const event = (id: string, kind: string) => ({ id, kind, client: null, created_at: '2026-11-25T08:00:00Z' });
    const rows = second ? [event('c', 'signed_out')] : [event('a', 'password_changed'), event('b', 'made_up_later')];
    const link: Record<string, string> = second ? {} : { link: '</api/users/me/activity?cursor=second>; rel="next"' };
    return route.fulfill({ json: rows, headers: link });
  });
  await page.goto('/settings/activity');
  const events = page.getByRole('list', { name: 'What happened' }).getByRole('listitem');
  await expect(events).toHaveText([/^Password changed/, /^Something else/]);
  await page.getByRole('button', { name: 'Show older' }).click();
  await expect(events).toHaveText([/^Password changed/, /^Something else/, /^Signed out/]);
  await expect(page.getByRole('button', { name: 'Show older' })).toHaveCount(0);
});

test('a new server is set up on its first page, which closes sign-up', async ({
  page,
  engine,
  guard,
  otherBrowser,
}) => {
  const server = await Server.start(engine, { SOTTO_REGISTRATION: 'first' });
  guard.visit(server.url);
  try {
    await page.goto(`${server.url}/`);
    const title = page.getByRole('heading', { level: 1 });
    await expect(title).toHaveText('Set up your journal');
    await expect(page.getByText("The account that you create now will be the administrator's.")).toBeVisible();
    await expectAccessible(page);
    await pictures(page, 'first-run');

    await page.getByLabel('E-mail').fill('ada@example.org');
    await page.getByLabel('Password', { exact: true }).fill('password1');
    await page.getByRole('button', { name: 'Create your journal' }).click();
    await expect(page.getByText('This is too easy to guess.')).toBeVisible();
    await page.getByLabel('Password', { exact: true }).fill('correct horse battery');
    await page.getByRole('button', { name: 'Create your journal' }).click();
    await expect(page.getByRole('link', { name: 'Administration' })).toBeVisible();

    const other = await otherBrowser();
    await other.goto(`${server.url}/login`);
    await expect(other.getByRole('heading', { level: 1 })).toHaveText('Welcome back');
    await expect(other.getByText('Sign-up is closed. Ask the person who runs this server.')).toBeVisible();
    await other.goto(`${server.url}/signup`);
    await expect(other.getByText("This server doesn't accept new sign-ups.")).toBeVisible();
  } finally {
    await server.stop();
  }
});
