/** Several secret tags, which share one passphrase field. */

import { expect as baseExpect, expectAccessible, signIn, test, type Page } from '../support/test';
import { createTag, enterPhrase, goToUnlock, unlock } from '../support/secret';

// Key stretching needs 64 MiB and three passes each time, which is slow on a busy machine.
const expect = baseExpect.configure({ timeout: 60_000 });
test.describe.configure({ timeout: 300_000 });

const phraseOf = (name: string) => `the phrase for ${name} is a long one`;

/** Locks all tags, and waits until the server has confirmed it. */
async function lockAll(page: Page): Promise<void> {
  const confirmed = page.waitForResponse((response) => response.url().endsWith('/api/secret-tags/lock'));
  await page.keyboard.press('F9');
  await confirmed;
  await expect(page).toHaveURL('/');
}

test('unlocking one of three tags repeatedly does not delay the others', async ({ page, user }) => {
  await signIn(page, user);
  for (const name of ['Last', 'First', 'Second']) {
    await createTag(page, name, phraseOf(name));
    await lockAll(page);
  }
  // The other two were unlocked later, so the first passphrase is tried on them first and fails. From then on its own
  // tag is tried first.
  const tried: string[] = [];
  page.on('request', (request) => void (request.url().endsWith('/unlock/start') && tried.push(request.url())));
  for (let time = 0; time < 6; time++) {
    await unlock(page, phraseOf('Last'), 'Last');
    await expect(page.getByText(/didn't match|failed attempt/)).toHaveCount(0);
    await lockAll(page);
  }
  expect(tried).toHaveLength(3 + 5);

  // The tag unlocks without a delay, and the note is harmless.
  await unlock(page, phraseOf('First'), 'First');
  await expect(page.getByText(/^One passphrase didn't match since you last unlocked this/)).toBeVisible();
  await expect(page.getByText(/change your password/)).toHaveCount(0);
  await expectAccessible(page);
  await lockAll(page);

  // More failures than the other passphrases can explain are reported as attempts.
  for (let time = 0; time < 3; time++) {
    await enterPhrase(page, 'nothing has this phrase');
    await expect(page.getByRole('alert')).toHaveText('That passphrase unlocks nothing.');
    await goToUnlock(page);
  }
  await unlock(page, phraseOf('First'), 'First');
  await expect(
    page.getByText(/^3 failed attempts since you last unlocked this\. .* change your password\.$/),
  ).toBeVisible();
});
