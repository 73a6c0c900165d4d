/** Rejections by the server are explained in the user's language, not in the server's words. */

import { expect, expectAccessible, pictures, signIn, test, type Page } from '../support/test';

test.use({ locale: 'de-DE' });

/** Runs an action that the server rejects. Expects this sentence, and none of the server's own messages. */
async function expectRejection(page: Page, action: () => Promise<void>, sentence: string): Promise<void> {
  const response = page.waitForResponse((one) => one.status() >= 400 && one.url().includes('/api/'));
  await action();
  const { detail, errors = [] } = await (await response).json();
  await expect(page.getByText(sentence, { exact: true })).toBeVisible();
  for (const words of [detail, ...errors.map(({ msg }: { msg: string }) => msg)]) {
    await expect(page.getByText(words)).toHaveCount(0);
  }
  await expectAccessible(page);
}

test('sign-up and sign-in show rejections in German', { tag: '@main' }, async ({ page, user }) => {
  await page.goto('/signup');
  await page.getByLabel('Name').fill('ü'.repeat(150));
  await page.getByLabel('E-Mail').fill('ich@zwei@example.org');
  await page.getByLabel('Passwort', { exact: true }).fill('pferd batterie');
  const create = page.getByRole('button', { name: 'Tagebuch anlegen' });
  // Turn off the browser's own validation, so that the server has to reject the input.
  await page.locator('form').evaluate((form: HTMLFormElement) => (form.noValidate = true));
  await expectRejection(
    page,
    () => create.click(),
    'Das ist zu lang: höchstens 200 Zeichen. Umlaute und Emoji zählen mehrfach.',
  );
  await expect(page.getByText('Das ist keine E-Mail-Adresse.', { exact: true })).toBeVisible();
  await pictures(page, 'rejected-sign-up');

  await page.getByLabel('Name').fill('Ida');
  await page.getByLabel('E-Mail').fill(user.email);
  await expectRejection(page, () => create.click(), 'Mit dieser Adresse gibt es schon ein Konto.');

  await page.goto('/login');
  await page.getByLabel('E-Mail').fill(user.email);
  await page.getByLabel('Passwort', { exact: true }).fill('falsches Pferd');
  await expectRejection(
    page,
    () => page.getByRole('button', { name: 'Anmelden' }).click(),
    'E-Mail oder Passwort ist falsch.',
  );
});

test('the journal and its settings show rejections in German', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/tags');
  await page.getByRole('button', { name: 'Neues Schlagwort' }).click();
  const dialog = page.getByRole('dialog');
  const save = dialog.getByRole('button', { name: 'Speichern' });
  await dialog.getByLabel('Name').fill('ü'.repeat(60));
  await expectRejection(
    page,
    () => save.click(),
    'Das ist zu lang: höchstens 100 Zeichen. Umlaute und Emoji zählen mehrfach.',
  );
  await pictures(page, 'rejected-tag');
  await user.api('POST', '/api/tags/', { name: 'Garten' });
  await dialog.getByLabel('Name').fill('garten');
  await expectRejection(page, () => save.click(), 'Ein Schlagwort mit diesem Namen hast du schon.');

  await page.goto('/settings/security');
  await page.getByLabel('Aktuelles Passwort').fill('falsches Pferd');
  await page.getByLabel('Neues Passwort').fill('noch ein Pferd');
  const change = page.getByRole('button', { name: 'Passwort ändern' });
  await expectRejection(page, () => change.click(), 'Das ist nicht dein Passwort.');
});

test('a rejection without a form field is shown in German', async ({ page, user }) => {
  const { id } = await user.api('POST', '/api/users/me/tokens', { name: 'Skript', scopes: ['entries:read'] });
  await signIn(page, user);
  await page.goto('/settings/tokens');
  await page.getByRole('button', { name: '„Skript“ widerrufen' }).click();
  // Another client revokes the token first.
  await user.api('DELETE', `/api/users/me/tokens/${id}`);
  const revoke = page.getByRole('dialog').getByRole('button', { name: 'Widerrufen', exact: true });
  await expectRejection(page, () => revoke.click(), 'Nicht gefunden. Vielleicht wurde es gelöscht.');
  await pictures(page, 'rejected-token');
});
