/** Sign-in and sign-up: rejections and their messages, and sessions that end. */

import { appendText, editor, saved, writeNewEntry } from '../support/writing';
import { expect, expectAccessible, newUser, pictures, Server, signIn, test } from '../support/test';

test('a wrong password is reported, and the form keeps its input', async ({ page, user }) => {
  await page.goto('/login?next=%2Ftags');
  await page.getByLabel('E-mail').fill(user.email);
  await page.getByLabel('Password', { exact: true }).fill('wrong horse');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByText('Wrong e-mail or password.')).toBeVisible();
  await expect(page.getByLabel('E-mail')).toHaveValue(user.email);
  await expectAccessible(page);

  const password = page.getByLabel('Password', { exact: true });
  await page.getByRole('button', { name: 'Show password' }).click();
  await expect(password).toHaveAttribute('type', 'text');
  await password.fill(user.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page).toHaveURL('/tags');
});

test('a warning appears when Caps Lock is on', async ({ page }) => {
  await page.goto('/login');
  const password = page.getByLabel('Password', { exact: true });
  await password.evaluate((input) =>
    input.dispatchEvent(new KeyboardEvent('keydown', { key: 'A', modifierCapsLock: true, bubbles: true })),
  );
  await expect(page.getByText('Caps Lock is on.')).toBeVisible();
});

test('sign-up rejects an address that is in use', async ({ page, user }) => {
  await page.goto('/signup');
  await page.getByLabel('Name').fill('Grace');
  await page.getByLabel('E-mail').fill(user.email);
  await page.getByLabel('Password', { exact: true }).fill('another horse battery');
  await page.getByRole('button', { name: 'Create your journal' }).click();
  await expect(page.getByText("There's already an account with this address.")).toBeVisible();
  await expect(page.getByLabel('Name')).toHaveValue('Grace');
  await expectAccessible(page);
});

test('when the sign-in after a sign-up fails, the next attempt signs in', async ({ page, guard }) => {
  guard.allow(/ERR_FAILED/);
  await page.route('**/api/auth/login', (route) => route.abort(), { times: 1 });
  await page.goto('/signup');
  await page.getByLabel('E-mail').fill(`${crypto.randomUUID()}@example.org`);
  await page.getByLabel('Password', { exact: true }).fill('another horse battery');
  const create = page.getByRole('button', { name: 'Create your journal' });
  await create.click();
  await expect(page.getByText("The server isn't responding.")).toBeVisible();
  await create.click();
  await expect(page.getByText('Your journal is open')).toBeVisible();
});

test('with sign-up closed, the pages do not offer it', async ({ page, guard }) => {
  const server = await Server.start('sqlite', { SOTTO_REGISTRATION: 'closed' });
  guard.allow(new RegExp(server.url));
  try {
    await page.goto(`${server.url}/login`);
    await expect(page.getByText('Sign-up is closed. Ask the person who runs this server.')).toBeVisible();
    await expect(page.getByRole('link', { name: 'Create your journal' })).toHaveCount(0);
    await page.goto(`${server.url}/signup`);
    await expect(page.getByText("This server doesn't accept new sign-ups.")).toBeVisible();
    await expect(page.getByLabel('E-mail')).toHaveCount(0);
    await pictures(page, 'signup-closed');
  } finally {
    await server.stop();
  }
});

test('an unreachable server is reported, and the form keeps its input', async ({ page, guard }) => {
  const server = await Server.start();
  guard.allow(new RegExp(server.url), /ERR_CONNECTION_REFUSED/);
  const user = await newUser(server.url);
  await page.goto(`${server.url}/login`);
  await page.getByLabel('E-mail').fill(user.email);
  await page.getByLabel('Password', { exact: true }).fill(user.password);
  await server.stop();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toContainText("The server isn't responding.");
  await expect(page.getByLabel('Password', { exact: true })).toHaveValue(user.password);
});

test('a failed sign-in with a provider is explained', async ({ page, user }) => {
  await page.goto('/login?error=email_not_verified');
  await expect(page.getByRole('alert')).toHaveText(
    "The provider hasn't verified your e-mail address. Verify it there, then try again.",
  );
  await page.goto('/login?error=made_up');
  await expect(page.getByRole('alert')).toHaveText("Signing in didn't work. Please try again.");
  // A signed-in user tried to link a provider.
  await signIn(page, user);
  await page.goto('/login?error=linked_elsewhere');
  await expect(page).toHaveURL('/settings/security?error=linked_elsewhere');
  await expect(page.getByText('This sign-in already belongs to another account')).toBeVisible();
});

test('a deactivated user can still see the open page, and sign out', async ({ page, user, context, server }) => {
  await signIn(page, user);
  await writeNewEntry(page, 'A walk in the rain.');
  await expect(saved(page)).toBeVisible();
  await server.command(['user', 'deactivate', user.email]);
  await context.clearCookies();
  await appendText(page, ' And home again.');
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Password', { exact: true }).fill(user.password);
  await dialog.getByRole('button', { name: 'Sign in' }).click();
  await expect(dialog).toContainText('deactivated');
  await expectAccessible(page);
  await pictures(page, 'sign-in-again');
  await dialog.getByRole('button', { name: 'Not now, show the page' }).click();
  await expect(dialog).toHaveCount(0);
  await expect(editor(page)).toHaveText('A walk in the rain. And home again.');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await dialog.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL('/login');
});

test('when a session ends, the form keeps its input until the next sign-in', async ({ page, user, context }) => {
  await signIn(page, user);
  await page.goto('/settings');
  await page.getByLabel('Name').fill('Augusta Ada King');
  await context.clearCookies();
  await page.getByRole('button', { name: 'Save' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText('What you wrote is still here.')).toBeVisible();
  // Escape does not close the dialog.
  for (let times = 0; times < 3; times++) await page.keyboard.press('Escape');
  await expect(dialog.getByText('What you wrote is still here.')).toBeVisible();
  await dialog.getByLabel('Password', { exact: true }).fill('wrong horse');
  await dialog.getByRole('button', { name: 'Sign in' }).click();
  await expect(dialog.getByText("This isn't your password.")).toBeVisible();
  await dialog.getByLabel('Password', { exact: true }).fill(user.password);
  await dialog.getByRole('button', { name: 'Sign in' }).click();
  await expect(dialog).toHaveCount(0);
  await expect(page.getByLabel('Name')).toHaveValue('Augusta Ada King');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Saved', { exact: true })).toBeVisible();
});
