/** Settings: profile, appearance, writing, security, tokens and data. */

import { run } from '../support/processes';
import { expect, expectAccessible, pictures, signIn, test } from '../support/test';

test('all settings pages are accessible', async ({ page, user }) => {
  test.slow();
  await signIn(page, user);
  for (const name of [
    'Profile',
    'Appearance',
    'Writing',
    'Security',
    'Recent activity',
    'API tokens',
    'Your data',
    'About',
  ]) {
    await page.goto('/settings');
    await page.getByRole('navigation', { name: 'Settings' }).getByRole('link', { name }).click();
    await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
    await expect(page.getByText('One moment…')).toHaveCount(0);
    await expectAccessible(page);
    await pictures(page, `settings-${name.toLowerCase().replace(' ', '-')}`);
  }
});

test('name, time zone and address are changed', { tag: '@main' }, async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/settings');
  await page.getByLabel('Name').fill('إيدا 🌿');
  await page.getByLabel('Time zone').fill('Nowhere/Land');
  await page.getByRole('button', { name: 'Save' }).click();
  // The browser's validation rejects the value, and nothing is sent.
  await expect(page.getByLabel('Time zone')).toBeFocused();
  await page.getByLabel('Time zone').fill('Asia/Kolkata');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Saved', { exact: true })).toBeVisible();
  expect(await user.api('GET', '/api/users/me')).toMatchObject({ full_name: 'إيدا 🌿', time_zone: 'Asia/Kolkata' });

  const email = `new-${user.email}`;
  await page.getByRole('textbox', { name: 'E-mail' }).fill(email);
  await page.getByLabel('Current password').fill('wrong horse');
  await page.getByRole('button', { name: 'Change address' }).click();
  await expect(page.getByText("This isn't your password.")).toBeVisible();
  await expect(page.getByRole('textbox', { name: 'E-mail' })).toHaveValue(email);
  await page.getByLabel('Current password').fill(user.password);
  await page.getByRole('button', { name: 'Change address' }).click();
  await expect(page.getByText('From now on you sign in with the new address.')).toBeVisible();
  expect(await user.api('GET', '/api/users/me')).toMatchObject({ email });
});

test('the theme is saved on the device, the language in the account', async ({ page, user, otherBrowser }) => {
  await signIn(page, user);
  await page.goto('/settings/appearance');
  await page.getByLabel('Dark', { exact: true }).check();
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await page.getByLabel('Deutsch').check();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Aussehen');
  await expect(page.getByText('Gespeichert', { exact: true })).toBeVisible();
  await page.getByLabel('Samstag').check();
  await expect
    .poll(() => user.api('GET', '/api/users/me'))
    .toMatchObject({ preferences: { language: 'de', weekStart: 6 } });
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('lang', 'de');
  await expect(page.getByLabel('Samstag')).toBeChecked();

  const other = await otherBrowser();
  await other.goto('/login');
  await expect(other.locator('html')).toHaveAttribute('lang', 'en');
  await signIn(other, user);
  await expect(other.locator('html')).toHaveAttribute('lang', 'de');
  await expect(other.locator('html')).not.toHaveAttribute('data-theme');
});

test('templates and the prompt of the day are saved in the account', async ({ page, user, guard }) => {
  guard.allow(/status of 500/);
  await signIn(page, user);
  await page.goto('/settings/writing');
  await page.getByRole('switch', { name: 'Offer a prompt' }).click();
  await expect(page.getByRole('switch', { name: 'Offer a prompt' })).toBeChecked();

  await page.getByRole('button', { name: 'New template' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('Week');
  await dialog.getByLabel('Text').fill('## What was good?\n');
  await page.route('**/api/users/me', (route) => route.fulfill({ status: 500, body: '{}' }));
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog.getByRole('alert')).toContainText('Nothing was lost');
  await page.unroute('**/api/users/me');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('heading', { name: 'Week' })).toBeVisible();

  await page.getByRole('button', { name: 'Edit “Week”' }).click();
  await dialog.getByLabel('Name').fill('The week');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('heading', { name: 'The week' })).toBeVisible();
  const { preferences } = await user.api('GET', '/api/users/me');
  expect(preferences).toMatchObject({
    prompts: true,
    templates: [{ name: 'The week', content: '## What was good?\n' }],
  });

  await page.getByRole('button', { name: 'Delete “The week”' }).click();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('heading', { name: 'The week' })).toHaveCount(0);
});

test('a change of one preference keeps those that another device has changed', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/settings/writing');
  const template = { id: 'a', name: 'From another device', content: 'x' };
  await user.api('PUT', '/api/users/me', { preferences: { templates: [template], weekStart: 7 } });
  await page.getByRole('switch', { name: 'Offer a prompt' }).click();
  await expect(page.getByRole('heading', { name: 'From another device' })).toBeVisible();
  const { preferences } = await user.api('GET', '/api/users/me');
  expect(preferences).toEqual({ prompts: true, templates: [template], weekStart: 7 });
});

test('a new password signs all other devices out', { tag: '@main' }, async ({ page, user, otherBrowser }) => {
  const other = await otherBrowser();
  await signIn(other, user);
  await signIn(page, user);
  await page.goto('/settings/security');
  await expect(page.getByText('Chrome on Windows')).toHaveCount(2);
  await page.getByLabel('Current password').fill('wrong horse');
  await page.getByLabel('New password').fill('seven small boats');
  await page.getByRole('button', { name: 'Change password' }).click();
  await expect(page.getByText("This isn't your password.")).toBeVisible();
  await expect(page.getByLabel('New password')).toHaveValue('seven small boats');

  await page.getByLabel('Current password').fill(user.password);
  await page.getByRole('button', { name: 'Change password' }).click();
  await expect(page.getByText('Your other devices have been signed out and your API tokens revoked.')).toBeVisible();
  await expect(page.getByText('Chrome on Windows')).toHaveCount(1);
  await expect(page.getByText('this device')).toBeVisible();

  await other.goto('/');
  await expect(other).toHaveURL('/login');
  await signIn(other, { email: user.email, password: 'seven small boats' });
});

test('a new password revokes API tokens, unless the check box is cleared', async ({ page, user, server }) => {
  const { token } = await user.api('POST', '/api/users/me/tokens', { name: 'Import', scopes: ['entries:read'] });
  const status = async () =>
    (await fetch(`${server.url}/api/journals/`, { headers: { authorization: `Bearer ${token}` } })).status;
  const passwords = [user.password, 'seven small boats', 'nine tall lanterns'];
  await signIn(page, user);
  await page.goto('/settings/security');
  const revoke = page.getByLabel('Also revoke all API tokens');
  await expect(revoke).toBeChecked();

  await revoke.uncheck();
  await page.getByLabel('Current password').fill(passwords[0]!);
  await page.getByLabel('New password').fill(passwords[1]!);
  await page.getByRole('button', { name: 'Change password' }).click();
  await expect(page.getByText('Your other devices have been signed out.')).toBeVisible();
  expect(await status()).toBe(200);

  await revoke.check();
  await page.getByLabel('Current password').fill(passwords[1]!);
  await page.getByLabel('New password').fill(passwords[2]!);
  await page.getByRole('button', { name: 'Change password' }).click();
  await expect(page.getByText('signed out and your API tokens revoked.')).toBeVisible();
  // Each node of the server may know the token for some seconds.
  await expect.poll(status).toBe(401);
});

test('the settings say whether the address is verified', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/settings');
  await expect(page.getByText("The address isn't verified yet.")).toBeVisible();
});

test('sessions are listed, and ended one by one or all at once', async ({ page, user, otherBrowser }) => {
  await user.api('GET', '/api/users/me');
  const other = await otherBrowser();
  await signIn(other, user);
  await signIn(page, user);
  await page.goto('/settings/security');
  const sessions = page.getByRole('region', { name: "Where you're signed in" }).getByRole('listitem');
  await expect(sessions).toHaveCount(3);
  await expect(sessions.first()).toContainText('this device');
  await page.getByRole('button', { name: 'Sign out node' }).click();
  await expect(sessions).toHaveCount(2);
  await page.getByRole('button', { name: 'Sign out all others' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out all others' }).click();
  await expect(sessions).toHaveCount(1);
  await other.goto('/');
  await expect(other).toHaveURL('/login');
  await page.reload();
  await expect(sessions).toHaveCount(1);
});

test('the “About” page shows the version', async ({ page, user, server }) => {
  const { version } = await (await fetch(`${server.url}/api/server`)).json();
  await signIn(page, user);
  await page.goto('/settings/about');
  await expect(page.getByText(version, { exact: true })).toBeVisible();
  await expect(page.getByText('GNU Affero General Public License')).toBeVisible();
});

test('the journal is downloaded as a valid archive', { tag: '@main' }, async ({ page, user }) => {
  await user.api('POST', '/api/journals/', {
    title: 'Tuesday',
    content: 'It rains.',
    entry_date: '2026-11-24T20:00:00Z',
  });
  await signIn(page, user);
  await page.goto('/settings/data');
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download everything' }).click(),
  ]);
  const file = await download.path();
  expect(download.suggestedFilename()).toMatch(/\.zip$/);
  const { stdout: names } = await run('python3', ['-m', 'zipfile', '--list', file]);
  expect(names).toMatch(/entries\/2026\/2026-11-24-tuesday\.md/i);
  const read = "import json, sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).read('journal.json').decode())";
  const { stdout } = await run('python3', ['-c', read, file]);
  expect(JSON.stringify(JSON.parse(stdout))).toContain('It rains.');
});

test(
  'an account is deleted after a warning about what will be lost',
  { tag: '@main' },
  async ({ page, user, server }) => {
    await signIn(page, user);
    await page.goto('/settings/data');
    await page.getByRole('button', { name: 'Delete account…' }).click();
    const dialog = page.getByRole('dialog');
    await expect(dialog.getByText('all your entries, tags and recordings')).toBeVisible();
    await expectAccessible(page);
    await pictures(page, 'delete-account');
    await dialog.getByLabel('Confirm with your password').fill('wrong horse');
    await dialog.getByRole('button', { name: 'Delete everything' }).click();
    await expect(dialog.getByText("This isn't your password.")).toBeVisible();
    await dialog.getByLabel('Confirm with your password').fill(user.password);
    await dialog.getByRole('button', { name: 'Delete everything' }).click();
    await expect(page).toHaveURL('/goodbye');
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Your journal is gone');
    await expectAccessible(page);
    await pictures(page, 'account-deleted');
    await page.goto('/');
    await expect(page).toHaveURL('/login');
    const login = await fetch(`${server.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: user.email, password: user.password }),
    });
    expect(login.status).toBe(401);
  },
);

test('a token is created, used and revoked', { tag: '@main' }, async ({ page, user, server }) => {
  await signIn(page, user);
  await page.goto('/settings/tokens');
  await page.getByLabel("What's it for?").fill('Import');
  await page.getByLabel('Write, edit and delete entries').check();
  await page.getByRole('button', { name: 'Create token' }).click();
  const dialog = page.getByRole('dialog');
  const token = await dialog.getByLabel('Token', { exact: true }).inputValue();
  expect(token).toMatch(/^sotto_/);
  await expectAccessible(page);
  await dialog.getByRole('button', { name: "I've saved it" }).click();
  await expect(page.getByText('never used')).toBeVisible();

  const ask = (path: string) => fetch(server.url + path, { headers: { authorization: `Bearer ${token}` } });
  expect((await ask('/api/journals/')).status).toBe(200);
  // The token has only the selected scopes.
  expect((await ask('/api/tags/')).status).toBe(403);
  expect((await ask('/api/users/me')).status).toBe(403);
  await page.reload();
  await expect(page.getByText(/last used on/)).toBeVisible();

  await page.getByRole('button', { name: 'Revoke “Import”' }).click();
  await dialog.getByRole('button', { name: 'Revoke' }).click();
  await expect(page.getByText('No tokens yet')).toBeVisible();
  expect((await ask('/api/journals/')).status).toBe(401);
});
