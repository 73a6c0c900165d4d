/** The administration pages, which only superusers can see. */

import {
  expect,
  expectAccessible,
  makeSuperuser,
  newUser,
  pictures,
  Server,
  signIn,
  test,
  type Page,
  type User,
} from '../support/test';

/** Signs in on a server that the test has started. */
async function signInAt(
  page: Page,
  server: Server,
  { email, password }: Pick<User, 'email' | 'password'>,
): Promise<void> {
  await page.goto(`${server.url}/login`);
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

test('only a superuser can open the administration pages', async ({ page, user }) => {
  await signIn(page, user);
  for (const path of ['/admin', '/admin/database']) {
    await page.goto(path);
    await expect(page.getByText('Page not found')).toBeVisible();
  }
  await expect(page.getByRole('link', { name: 'Administration' })).toHaveCount(0);
});

test(
  'a superuser finds, creates, edits and deletes accounts',
  { tag: '@main' },
  async ({ page, server, otherBrowser }) => {
    test.slow();
    const root = await makeSuperuser(server);
    const ada = await newUser(server.url, 'Ada Lovelace');
    await signIn(page, root);
    await page.getByRole('link', { name: 'Administration' }).click();
    await page.getByRole('searchbox').fill(ada.email.slice(0, 20));
    const accounts = page.getByRole('main').getByRole('listitem').getByRole('button');
    await expect(accounts).toHaveCount(1);
    await expectAccessible(page);
    await pictures(page, 'admin');

    const dialog = page.getByRole('dialog');
    await accounts.click();
    await expectAccessible(page);
    await dialog.getByRole('switch', { name: 'Can sign in' }).click();
    // The message is inside the dialog, because content outside a modal dialog is inert.
    await expect(dialog.getByText('Saved', { exact: true })).toBeVisible();
    await expect(page.getByText('deactivated', { exact: true })).toBeAttached();
    const adasPage = await otherBrowser();
    await adasPage.goto('/login');
    await adasPage.getByLabel('E-mail').fill(ada.email);
    await adasPage.getByLabel('Password', { exact: true }).fill(ada.password);
    await adasPage.getByRole('button', { name: 'Sign in' }).click();
    await expect(adasPage.getByRole('alert')).toBeVisible();
    await dialog.getByRole('switch', { name: 'Can sign in' }).click();
    await expect(page.getByText('deactivated', { exact: true })).toHaveCount(0);

    await dialog.getByLabel('New password').fill('seven small boats');
    await dialog.getByRole('button', { name: 'Set a password' }).click();
    await expect(dialog.getByLabel('New password')).toHaveValue('');
    await signIn(adasPage, { email: ada.email, password: 'seven small boats' });

    const last = dialog.getByRole('button', { name: 'Delete everything' });
    await expect(last).toBeDisabled();
    await dialog.getByLabel(/^Type .* to confirm/).fill(ada.email);
    await last.click();
    await expect(accounts).toHaveCount(0);
    await expect(page.getByText('No one found.')).toBeVisible();

    const email = `${crypto.randomUUID()}@example.org`;
    await page.getByRole('button', { name: 'New account' }).click();
    await dialog.getByLabel('Name').fill('Grace Hopper');
    await dialog.getByLabel('E-mail').fill(root.email);
    await dialog.getByLabel('Password', { exact: true }).fill('correct horse battery');
    await dialog.getByRole('button', { name: 'Create account' }).click();
    await expect(dialog.getByText("There's already an account with this address.")).toBeVisible();
    await dialog.getByLabel('E-mail').fill(email);
    await dialog.getByRole('button', { name: 'Create account' }).click();
    await expect(dialog).toHaveCount(0);
    await page.getByRole('searchbox').fill(email);
    await expect(accounts).toHaveText(/Grace Hopper/);
  },
);

test('the last superuser keeps the right', async ({ page, engine, guard }) => {
  const server = await Server.start(engine);
  guard.allow(new RegExp(server.url));
  try {
    const root = await makeSuperuser(server);
    await signInAt(page, server, root);
    await page.getByRole('link', { name: 'Administration' }).click();
    await page.getByRole('button', { name: root.email }).click();
    const superuser = page.getByRole('dialog').getByRole('switch', { name: 'Administrator' });
    await superuser.click();
    await expect(page.getByRole('alert')).toHaveText(/This is the last administrator who can sign in/);
    await expect(superuser).toBeChecked();
  } finally {
    await server.stop();
  }
});

test('many accounts load page by page', async ({ page, server }) => {
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
      email_verified: true,
      has_password: true,
      time_zone: 'UTC',
      created_at: '2026-01-01T00:00:00Z',
      updated_at: '2026-01-01T00:00:00Z',
    }));
    const link: Record<string, string> = second ? {} : { link: '</api/admin/users?cursor=second>; rel="next"' };
    return route.fulfill({ json: rows, headers: link });
  });
  await page.goto('/admin');
  const accounts = page.getByRole('main').getByRole('listitem').getByRole('button');
  await expect(accounts).toHaveCount(50);
  await page.getByRole('button', { name: 'Show more' }).click();
  await expect(accounts).toHaveCount(51);
  await expect(page.getByRole('button', { name: 'Show more' })).toHaveCount(0);
});

test(
  'the database page shows alerts, tables and statements, and marks old figures when a refresh fails',
  { tag: '@main' },
  async ({ page, engine, guard }) => {
    test.slow();
    const server = await Server.start(engine, { SOTTO_ALERT_INTERVAL: '1' });
    guard.allow(new RegExp(server.url));
    try {
      const root = await makeSuperuser(server);
      await signInAt(page, server, root);
      await page.getByRole('link', { name: 'Administration' }).click();
      await page.getByRole('link', { name: 'Database' }).click();
      for (const alert of ['Slow statements', 'Index usage', 'Constraint violations', 'Schema']) {
        await expect(page.getByText(new RegExp(`^${alert}: `))).toBeVisible();
      }
      await expect(
        page.getByRole('list', { name: 'Tables by size' }).getByText('journal_entries', { exact: true }),
      ).toBeVisible();
      // The server takes a reading each second. A later one has statements in it.
      await expect(async () => {
        await page.getByRole('button', { name: 'Refresh' }).click();
        await expect(page.getByRole('list', { name: 'Slowest statements' }).getByRole('listitem').first()).toBeVisible({
          timeout: 500,
        });
      }).toPass();
      // Reload, so that no button is busy or hovered in the screenshots.
      await page.mouse.move(0, 0);
      await page.reload();
      await expect(page.getByRole('heading', { name: 'Alerts' })).toBeVisible();
      await expectAccessible(page);
      await pictures(page, 'database');

      await page.route('**/api/admin/database', (route) => route.abort());
      await page.getByRole('button', { name: 'Refresh' }).click();
      await expect(page.getByRole('alert')).toContainText("The server isn't responding.");
      // The old figures stay on the page, but their status is no longer known.
      await expect(page.getByText('Schema: not known at the moment')).toBeVisible();
      await expect(page.getByText('all is well')).toHaveCount(0);
      await page.unroute('**/api/admin/database');
      await page.getByRole('button', { name: 'Try again' }).click();
      await expect(page.getByRole('alert')).toHaveCount(0);
    } finally {
      await server.stop();
    }
  },
);

test('an alert is shown as good only after a successful check', async ({ page, server }) => {
  const root = await makeSuperuser(server);
  await signIn(page, root);
  await page.route('**/api/admin/database', async (route) => {
    const database = await (await route.fetch()).json();
    const alert = (name: string, raised: boolean, verdict: string) => ({
      alert: name,
      raised,
      verdict,
      since: raised ? '2026-11-23T10:00:00Z' : null,
      figure: 129,
      sentence: `The ${name} is ${verdict}.`,
    });
    database.alerts = [
      alert('slow_statement', false, 'bad'),
      alert('index_usage', false, 'between'),
      alert('constraint_violation', false, 'unknown'),
      alert('migration', true, 'good'),
      alert('recordings', true, 'bad'),
      alert('clock', false, 'good'),
    ];
    database.failing_since = '2026-11-23T10:05:00Z';
    database.sized_at = '2026-11-23T09:30:00Z';
    await route.fulfill({ json: database });
  });
  await page.goto('/admin/database');
  for (const [name, status] of [
    ['Slow statements', 'failed the last check'],
    ['Index usage', 'close to the limit'],
    ['Constraint violations', 'not known at the moment'],
    ['Schema', 'raised, but fine at the last check'],
    ['Recordings', 'needs attention'],
    ['Clock', 'all is well'],
  ]) {
    await expect(page.getByText(`${name}: ${status}`)).toBeVisible();
  }
  await expect(page.getByText('all is well')).toHaveCount(1);
  await expect(page.getByText(/^Checks have been failing since 23 Nov 2026/)).toBeVisible();
  await expect(page.getByText(/Measured on 23 Nov 2026/)).toBeVisible();
  await expectAccessible(page);
});
