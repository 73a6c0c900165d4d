/** The pages for superusers. */

import { expect, expectAccessible, makeSuperuser, newUser, pictures, Server, signIn, test, type Page, type User } from '../support/test';

/** Signs in at a server of the test's own. */
async function signInAt(page: Page, server: Server, { email, password }: Pick<User, 'email' | 'password'>): Promise<void> {
  await page.goto(`${server.url}/login`);
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

test('nobody else finds these pages', async ({ page, user }) => {
  await signIn(page, user);
  for (const path of ['/admin', '/admin/database']) {
    await page.goto(path);
    await expect(page.getByText('There is nothing here')).toBeVisible();
  }
  await expect(page.getByRole('link', { name: 'Administration' })).toHaveCount(0);
});

test('accounts are found, made, changed and deleted', { tag: '@main' }, async ({ page, server, otherBrowser }) => {
  test.slow();
  const root = await makeSuperuser(server);
  const ada = await newUser(server.url, 'Ada Lovelace');
  await signIn(page, root);
  await page.getByRole('link', { name: 'Administration' }).click();
  await page.getByRole('searchbox').fill(ada.email.slice(0, 20));
  const people = page.getByRole('main').getByRole('listitem').getByRole('button');
  await expect(people).toHaveCount(1);
  await expectAccessible(page);
  await pictures(page, 'admin');

  const dialog = page.getByRole('dialog');
  await people.click();
  await expectAccessible(page);
  await dialog.getByRole('switch', { name: 'May sign in' }).click();
  // Said where it can be read: what is beside a modal dialog is out of reach.
  await expect(dialog.getByText('Saved', { exact: true })).toBeVisible();
  await expect(page.getByText('deactivated', { exact: true })).toBeAttached();
  const hers = await otherBrowser();
  await hers.goto('/login');
  await hers.getByLabel('E-mail').fill(ada.email);
  await hers.getByLabel('Password', { exact: true }).fill(ada.password);
  await hers.getByRole('button', { name: 'Sign in' }).click();
  await expect(hers.getByRole('alert')).toBeVisible();
  await dialog.getByRole('switch', { name: 'May sign in' }).click();
  await expect(page.getByText('deactivated', { exact: true })).toHaveCount(0);

  await dialog.getByLabel('The new password').fill('seven small boats');
  await dialog.getByRole('button', { name: 'Set a password' }).click();
  await expect(dialog.getByLabel('The new password')).toHaveValue('');
  await signIn(hers, { email: ada.email, password: 'seven small boats' });

  const last = dialog.getByRole('button', { name: 'Delete everything of theirs' });
  await expect(last).toBeDisabled();
  await dialog.getByLabel(/^Type .* to be sure/).fill(ada.email);
  await last.click();
  await expect(people).toHaveCount(0);
  await expect(page.getByText('Nobody is found.')).toBeVisible();

  const email = `${crypto.randomUUID()}@example.org`;
  await page.getByRole('button', { name: 'New account' }).click();
  await dialog.getByLabel('Name').fill('Grace Hopper');
  await dialog.getByLabel('E-mail').fill(root.email);
  await dialog.getByLabel('Password', { exact: true }).fill('correct horse battery');
  await dialog.getByRole('button', { name: 'Make the account' }).click();
  await expect(dialog.getByText('There is an account with this address already.')).toBeVisible();
  await dialog.getByLabel('E-mail').fill(email);
  await dialog.getByRole('button', { name: 'Make the account' }).click();
  await expect(dialog).toHaveCount(0);
  await page.getByRole('searchbox').fill(email);
  await expect(people).toHaveText(/Grace Hopper/);
});

test('the last superuser stays', async ({ page, engine, guard }) => {
  const server = await Server.start(engine);
  guard.allow(new RegExp(server.url));
  try {
    const root = await makeSuperuser(server);
    await signInAt(page, server, root);
    await page.getByRole('link', { name: 'Administration' }).click();
    await page.getByRole('button', { name: root.email }).click();
    const superuser = page.getByRole('dialog').getByRole('switch', { name: 'Superuser' });
    await superuser.click();
    await expect(page.getByRole('alert')).toHaveText(/This is the last superuser who may sign in/);
    await expect(superuser).toBeChecked();
  } finally {
    await server.stop();
  }
});

test('many accounts come page by page', async ({ page, server }) => {
  const root = await makeSuperuser(server);
  await signIn(page, root);
  const names = Array.from({ length: 51 }, (_, index) => `Person ${String(index).padStart(2, '0')}`);
  await page.route('**/api/admin/users?*', (route) => {
    const second = new URL(route.request().url()).searchParams.get('cursor') === 'second';
    const rows = (second ? names.slice(50) : names.slice(0, 50)).map((full_name) => ({
      id: full_name,
      email: `${full_name.replace(' ', '')}@example.org`,
      full_name,
      is_active: true,
      is_superuser: false,
      has_password: true,
      time_zone: 'UTC',
      created_at: '2026-01-01T00:00:00Z',
      updated_at: '2026-01-01T00:00:00Z',
    }));
    const link: Record<string, string> = second ? {} : { link: '</api/admin/users?cursor=second>; rel="next"' };
    return route.fulfill({ json: rows, headers: link });
  });
  await page.goto('/admin');
  const people = page.getByRole('main').getByRole('listitem').getByRole('button');
  await expect(people).toHaveCount(50);
  await page.getByRole('button', { name: 'Show more' }).click();
  await expect(people).toHaveCount(51);
  await expect(page.getByRole('button', { name: 'Show more' })).toHaveCount(0);
});

test('the health of the database is shown in pictures', { tag: '@main' }, async ({ page, engine, guard }) => {
  test.slow();
  const server = await Server.start(engine, { SOTTO_ALERT_INTERVAL: '1' });
  guard.allow(new RegExp(server.url));
  try {
    const root = await makeSuperuser(server);
    await signInAt(page, server, root);
    await page.getByRole('link', { name: 'Administration' }).click();
    await page.getByRole('link', { name: 'Database' }).click();
    for (const alert of ['Slow statements', 'Use of indexes', 'Broken rules', 'Schema']) {
      await expect(page.getByText(new RegExp(`^${alert}: `))).toBeVisible();
    }
    await expect(page.getByRole('list', { name: 'Tables by size' }).getByText('journal_entries', { exact: true })).toBeVisible();
    // The server looks again each second, and has seen statements by then.
    await expect(async () => {
      await page.getByRole('button', { name: 'Refresh' }).click();
      await expect(page.getByRole('list', { name: 'Slowest statements' }).getByRole('listitem').first()).toBeVisible({ timeout: 500 });
    }).toPass();
    // A fresh page, in which no button is busy or under the pointer.
    await page.mouse.move(0, 0);
    await page.reload();
    await expect(page.getByRole('heading', { name: 'Alerts' })).toBeVisible();
    await expectAccessible(page);
    await pictures(page, 'database');

    await page.route('**/api/admin/database', (route) => route.abort());
    await page.getByRole('button', { name: 'Refresh' }).click();
    await expect(page.getByRole('alert')).toContainText('The server does not answer.');
    // What was shown before is still there.
    await expect(page.getByRole('heading', { name: 'Alerts' })).toBeVisible();
    await page.unroute('**/api/admin/database');
    await page.getByRole('button', { name: 'Try again' }).click();
    await expect(page.getByRole('alert')).toHaveCount(0);
  } finally {
    await server.stop();
  }
});
