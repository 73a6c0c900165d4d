/** The pages before the sign-in: what is refused, and what is said then. */

import { newPage, paper, saved, write } from '../support/writing';
import { expect, expectAccessible, newUser, pictures, Server, signIn, test } from '../support/test';

test('a wrong password is said, and what was typed stays', async ({ page, user }) => {
  await page.goto('/login?next=%2Ftags');
  await page.getByLabel('E-mail').fill(user.email);
  await page.getByLabel('Password', { exact: true }).fill('wrong horse');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByText('E-mail or password is not right.')).toBeVisible();
  await expect(page.getByLabel('E-mail')).toHaveValue(user.email);
  await expectAccessible(page);

  const password = page.getByLabel('Password', { exact: true });
  await page.getByRole('button', { name: 'Show the password' }).click();
  await expect(password).toHaveAttribute('type', 'text');
  await password.fill(user.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page).toHaveURL('/tags');
});

test('the caps lock is noticed', async ({ page }) => {
  await page.goto('/login');
  const password = page.getByLabel('Password', { exact: true });
  await password.evaluate((input) => input.dispatchEvent(new KeyboardEvent('keydown', { key: 'A', modifierCapsLock: true, bubbles: true })));
  await expect(page.getByText('The caps lock is on.')).toBeVisible();
});

test('an address that is taken is said beside it', async ({ page, user }) => {
  await page.goto('/signup');
  await page.getByLabel('Name').fill('Grace');
  await page.getByLabel('E-mail').fill(user.email);
  await page.getByLabel('Password', { exact: true }).fill('another horse battery');
  await page.getByRole('button', { name: 'Create your journal' }).click();
  await expect(page.getByText('There is an account with this address already.')).toBeVisible();
  await expect(page.getByLabel('Name')).toHaveValue('Grace');
  await expectAccessible(page);
});

test('who has made a journal, and could not get in, gets in with the next try', async ({ page, guard }) => {
  guard.allow(/ERR_FAILED/);
  await page.route('**/api/auth/login', (route) => route.abort(), { times: 1 });
  await page.goto('/signup');
  await page.getByLabel('E-mail').fill(`${crypto.randomUUID()}@example.org`);
  await page.getByLabel('Password', { exact: true }).fill('another horse battery');
  const create = page.getByRole('button', { name: 'Create your journal' });
  await create.click();
  await expect(page.getByText('The server does not answer.')).toBeVisible();
  await create.click();
  await expect(page.getByText('Your journal is open')).toBeVisible();
});

test('with sign-up closed, nobody is led to it', async ({ page, guard }) => {
  const server = await Server.start('sqlite', { SOTTO_REGISTRATION: 'closed' });
  guard.allow(new RegExp(server.url));
  try {
    await page.goto(`${server.url}/login`);
    await expect(page.getByText('New journals are made by whoever runs this server.')).toBeVisible();
    await expect(page.getByRole('link', { name: 'Create your journal' })).toHaveCount(0);
    await page.goto(`${server.url}/signup`);
    await expect(page.getByText('This server takes no new accounts by itself.')).toBeVisible();
    await expect(page.getByLabel('E-mail')).toHaveCount(0);
    await pictures(page, 'signup-closed');
  } finally {
    await server.stop();
  }
});

test('a server that is down is said, and what was typed stays', async ({ page, guard }) => {
  const server = await Server.start();
  guard.allow(new RegExp(server.url), /ERR_CONNECTION_REFUSED/);
  const user = await newUser(server.url);
  await page.goto(`${server.url}/login`);
  await page.getByLabel('E-mail').fill(user.email);
  await page.getByLabel('Password', { exact: true }).fill(user.password);
  await server.stop();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toContainText('The server does not answer.');
  await expect(page.getByLabel('Password', { exact: true })).toHaveValue(user.password);
});

test('a sign-in with a provider that failed is explained', async ({ page, user }) => {
  await page.goto('/login?error=email_not_verified');
  await expect(page.getByRole('alert')).toHaveText('The provider has not verified your e-mail address. Verify it there, then try again.');
  await page.goto('/login?error=made_up');
  await expect(page.getByRole('alert')).toHaveText('The sign-in did not work. Try again.');
  // Somebody who is signed in had wanted to link a provider.
  await signIn(page, user);
  await page.goto('/login?error=linked_elsewhere');
  await expect(page).toHaveURL('/settings/security?error=linked_elsewhere');
  await expect(page.getByText('This sign-in belongs to another account already')).toBeVisible();
});

test('who cannot sign in any more can still look at what they wrote, and leave', async ({ page, user, context, server }) => {
  await signIn(page, user);
  await newPage(page, 'To be taken along.');
  await expect(saved(page)).toBeVisible();
  await server.command(['user', 'deactivate', user.email]);
  await context.clearCookies();
  await write(page, ' And this.');
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Password', { exact: true }).fill(user.password);
  await dialog.getByRole('button', { name: 'Sign in' }).click();
  await expect(dialog).toContainText('deactivated');
  await expectAccessible(page);
  await pictures(page, 'sign-in-again');
  await dialog.getByRole('button', { name: 'Look at the page' }).click();
  await expect(dialog).toHaveCount(0);
  await expect(paper(page)).toHaveText('To be taken along. And this.');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await dialog.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL('/login');
});

test('a login that ends in the middle takes nothing away', async ({ page, user, context }) => {
  await signIn(page, user);
  await page.goto('/settings');
  await page.getByLabel('Name').fill('Augusta Ada King');
  await context.clearCookies();
  await page.getByRole('button', { name: 'Save' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText('What you wrote is still here.')).toBeVisible();
  // There is nothing to do but to sign in.
  for (let times = 0; times < 3; times++) await page.keyboard.press('Escape');
  await expect(dialog.getByText('What you wrote is still here.')).toBeVisible();
  await dialog.getByLabel('Password', { exact: true }).fill('wrong horse');
  await dialog.getByRole('button', { name: 'Sign in' }).click();
  await expect(dialog.getByText('This is not your password.')).toBeVisible();
  await dialog.getByLabel('Password', { exact: true }).fill(user.password);
  await dialog.getByRole('button', { name: 'Sign in' }).click();
  await expect(dialog).toHaveCount(0);
  await expect(page.getByLabel('Name')).toHaveValue('Augusta Ada King');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Saved', { exact: true })).toBeVisible();
});
