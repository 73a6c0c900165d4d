/** Signing in with a provider: the certified oidc-provider, on this machine. */

import { startWithProvider } from '../support/provider';
import { ageSignIns, expect, expectAccessible, newUser, pictures, test } from '../support/test';

let setup: Awaited<ReturnType<typeof startWithProvider>>;

test.beforeAll(async ({ engine }) => {
  setup = await startWithProvider(engine);
});
test.afterAll(() => setup.stop());
test.beforeEach(({ guard }) => guard.allow(new RegExp(setup.server.url), new RegExp(setup.issuer)));

test(
  'a user signs up with a provider, sets a password, and unlinks the provider',
  { tag: '@main' },
  async ({ page }) => {
    await page.goto(`${setup.server.url}/login?next=%2Ftags`);
    await expectAccessible(page);
    await pictures(page, 'login-provider');
    await page.getByRole('button', { name: 'Continue with Our house' }).click();
    await page.getByRole('button', { name: 'ada' }).click();
    await expect(page).toHaveURL(`${setup.server.url}/tags`);

    await page.goto(`${setup.server.url}/settings/security`);
    await expect(page.getByText("You sign in with a provider and don't have a password yet.")).toBeVisible();
    await expect(page.getByText('ada@example.org · linked on')).toBeVisible();
    await expectAccessible(page);
    await pictures(page, 'settings-security-provider');
    const dialog = page.getByRole('dialog');
    await page.getByRole('button', { name: 'Unlink Our house' }).click();
    await dialog.getByRole('button', { name: 'Unlink' }).click();
    await expect(dialog.getByRole('alert')).toContainText('This is your only way to sign in');
    await dialog.getByRole('button', { name: 'Cancel' }).click();

    await page.getByLabel('New password').fill('seven small boats');
    await page.getByRole('button', { name: 'Set a password' }).click();
    await expect(page.getByText('Password set.')).toBeVisible();
    await expect(page.getByLabel('Current password')).toBeVisible();
    await page.getByRole('button', { name: 'Unlink Our house' }).click();
    await dialog.getByRole('button', { name: 'Unlink' }).click();
    await expect(page.getByText('Provider unlinked.')).toBeVisible();
    await expect(page.getByRole('button', { name: 'Link Our house' })).toBeVisible();
  },
);

test('a refused consent at the provider is reported', async ({ page }) => {
  await page.goto(`${setup.server.url}/login`);
  await page.getByRole('button', { name: 'Continue with Our house' }).click();
  await page.getByRole('button', { name: 'cancel' }).click();
  await expect(page.getByRole('alert')).toHaveText(
    "You didn't let the provider tell us who you are, so you weren't signed in.",
  );
});

test('an account is linked to a provider from the settings', async ({ page }) => {
  const user = await newUser(setup.server.url);
  await page.goto(`${setup.server.url}/login`);
  await page.getByLabel('E-mail').fill(user.email);
  await page.getByLabel('Password', { exact: true }).fill(user.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('link', { name: 'Security' }).click();
  await page.getByRole('button', { name: 'Link Our house' }).click();
  await page.getByRole('button', { name: 'ben' }).click();
  await expect(page).toHaveURL(`${setup.server.url}/settings/security`);
  await expect(page.getByText('ben@example.org · linked on')).toBeVisible();
});

test('a user without a password confirms the sign-in at the provider', async ({ page, engine }) => {
  await page.goto(`${setup.server.url}/login`);
  await page.getByRole('button', { name: 'Continue with Our house' }).click();
  await page.getByRole('button', { name: 'dora' }).click();
  await expect(page).toHaveURL(`${setup.server.url}/`);
  await ageSignIns(page, setup.server, engine, 'dora@example.org');
  await page.goto(`${setup.server.url}/settings/tokens`);
  await page.getByLabel("What's it for?").fill('Import');
  await page.getByRole('button', { name: 'Create token' }).click();
  const question = page.getByRole('dialog', { name: 'Is it you?' });
  await expect(question.getByLabel('Password')).toHaveCount(0);
  await expectAccessible(page);
  await pictures(page, 'confirm-sign-in-provider');
  await question.getByRole('button', { name: 'Sign in again with Our house' }).click();
  await page.getByRole('button', { name: 'dora' }).click();
  await expect(page).toHaveURL(`${setup.server.url}/settings/tokens`);
  await page.getByLabel("What's it for?").fill('Import');
  await page.getByRole('button', { name: 'Create token' }).click();
  await expect(page.getByRole('dialog', { name: 'Your new token' })).toBeVisible();
});

test('a user without a password confirms the account deletion with the address', async ({ page }) => {
  await page.goto(`${setup.server.url}/login`);
  await page.getByRole('button', { name: 'Continue with Our house' }).click();
  await page.getByRole('button', { name: 'dora' }).click();
  await expect(page).toHaveURL(`${setup.server.url}/`);
  await page.goto(`${setup.server.url}/settings/data`);
  await page.getByRole('button', { name: 'Delete account…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Type dora@example.org to confirm').fill('ada@example.org');
  await dialog.getByRole('button', { name: 'Delete everything' }).click();
  await expect(dialog.getByText("This isn't the e-mail address of your account.")).toBeVisible();
  await dialog.getByLabel('Type dora@example.org to confirm').fill('dora@example.org');
  await dialog.getByRole('button', { name: 'Delete everything' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Your journal is gone');
});
