/** Several secret tags, and one field for the phrases of all of them. */

import { expect as quick, expectAccessible, signIn, test, type Page } from '../support/test';
import { goToOpen, make, open, openAs } from '../support/secret';

// Stretching a phrase takes 64 MiB and three passes each time, and as long as it takes.
const expect = quick.configure({ timeout: 60_000 });
test.describe.configure({ timeout: 300_000 });

const phraseOf = (name: string) => `the phrase for ${name} is a long one`;

/** Closes everything, and waits until the server has heard of it. */
async function closeAll(page: Page): Promise<void> {
  const heard = page.waitForResponse((response) => response.url().endsWith('/api/secret-tags/lock'));
  await page.keyboard.press('F9');
  await heard;
  await expect(page).toHaveURL('/');
}

test('opening one of three again and again slows none of the others down', async ({ page, user }) => {
  await signIn(page, user);
  for (const name of ['Last', 'First', 'Second']) {
    await make(page, name, phraseOf(name));
    await closeAll(page);
  }
  // The other two were opened after it, so that the first phrase is tried on them in vain; from then on it is the first.
  const tried: string[] = [];
  page.on('request', (request) => void (request.url().endsWith('/unlock/start') && tried.push(request.url())));
  for (let time = 0; time < 6; time++) {
    await openAs(page, phraseOf('Last'), 'Last');
    await expect(page.getByText(/did not fit|in vain/)).toHaveCount(0);
    await closeAll(page);
  }
  expect(tried).toHaveLength(3 + 5);

  // Without a wait, and without a word of alarm.
  await openAs(page, phraseOf('First'), 'First');
  await expect(page.getByText(/^One phrase did not fit since this was last opened/)).toBeVisible();
  await expect(page.getByText(/change your password/)).toHaveCount(0);
  await expectAccessible(page);
  await closeAll(page);

  // More than the others account for is told as what it may be.
  for (let time = 0; time < 3; time++) {
    await open(page, 'nothing has this phrase');
    await expect(page.getByRole('alert')).toHaveText('Nothing was opened.');
    await goToOpen(page);
  }
  await openAs(page, phraseOf('First'), 'First');
  await expect(page.getByText(/^3 times somebody tried a phrase in vain .* change your password\.$/)).toBeVisible();
});
