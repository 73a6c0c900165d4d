/** Passphrases and recovery keys: wrong ones reveal nothing, and a passphrase can be changed or replaced. */

import {
  createTag,
  enterPhrase,
  expect,
  expectLocked,
  goToUnlock,
  NAME,
  PHRASE,
  phraseField,
  recordRequests,
  typePhraseTwice,
  unlock,
  unlockedTagsBar,
} from '../support/secret';
import { expectAccessible, newUser, signIn, test } from '../support/test';

test('a wrong passphrase looks the same with and without a secret tag', async ({
  page,
  user,
  server,
  otherBrowser,
}) => {
  await signIn(page, user);
  await createTag(page);
  await page.keyboard.press('F9');
  const other = await otherBrowser();
  await signIn(other, await newUser(server.url, user.name));

  const outcomes = [];
  for (const browser of [page, other]) {
    const requests: string[] = [];
    browser.on('request', (request) => {
      const { pathname } = new URL(request.url());
      if (pathname.startsWith('/api/'))
        requests.push(`${request.method()} ${pathname.replace(/[0-9a-f-]{36}/, '{id}')}`);
    });
    await enterPhrase(browser, 'not the phrase');
    await expect(browser.getByRole('alert')).toHaveText('That passphrase unlocks nothing.');
    outcomes.push({ requests, text: await browser.locator('body').innerText(), url: new URL(browser.url()).pathname });
  }
  expect(outcomes[0]).toEqual(outcomes[1]);
});

test('after too many attempts, the user has to wait and sees for how long', async ({ page, user }) => {
  const requests = await recordRequests(page);
  await signIn(page, user);
  await enterPhrase(page, 'not the phrase');
  await expect(page.getByRole('alert')).toBeVisible();
  const [, path, body] = requests
    .map((text) => /(\/api\/\S+unlock\/start) .*?(\{.*\})$/.exec(text))
    .find((found) => found !== null)!;
  // Even without a secret tag, the server delays attempts: after nine attempts, by 16 seconds.
  let attempts = 1;
  const attempt = () =>
    user.api('POST', path!, JSON.parse(body!)).then(
      () => ++attempts,
      () => attempts,
    );
  await expect.poll(attempt).toBe(9);
  await phraseField(page).press('Enter');
  await expect(page.getByRole('alert')).toHaveText(
    /not everything could be tried\. Try the same passphrase again in \d+ seconds?\./,
  );
});

test('after a passphrase change, the old passphrase unlocks nothing', async ({ page, user, otherBrowser }) => {
  await signIn(page, user);
  await createTag(page);
  const other = await otherBrowser();
  await signIn(other, user);
  await unlock(other, PHRASE);

  await page.getByRole('button', { name: 'Change passphrase' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'New passphrase' }).fill('monkey');
  await dialog.getByRole('textbox', { name: 'Repeat it' }).fill('monkey');
  // A weak passphrase needs an explicit confirmation.
  await expect(dialog.getByText('Weak', { exact: true })).toBeVisible();
  const change = dialog.getByRole('button', { name: 'Change passphrase' });
  await expect(change).toBeDisabled();
  await dialog.getByRole('checkbox').check();
  await expect(change).toBeEnabled();
  await expectAccessible(page);
  await change.click();
  await expect(page.getByText('Passphrase changed.')).toBeVisible();
  await expect(unlockedTagsBar(page)).toBeVisible();

  // The tag is locked in the other browser, which finds out at its next request.
  await other.getByRole('button', { name: 'Rename' }).click();
  await other.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expectLocked(other);
  await enterPhrase(other, PHRASE);
  await expect(other.getByRole('alert')).toHaveText('That passphrase unlocks nothing.');
  await unlock(other, 'monkey');
  // The failed attempt was counted.
  await expect(other.getByText(/^One failed attempt since you last unlocked this/)).toBeVisible();
});

test('a recovery key sets a new passphrase, and an incomplete one is rejected', async ({ page, user }) => {
  await signIn(page, user);
  const key = await createTag(page);
  await page.keyboard.press('F9');
  await expectLocked(page);

  await goToUnlock(page);
  await page.getByRole('button', { name: 'Use a recovery key' }).click();
  const keyField = page.getByRole('textbox', { name: 'Recovery key' });
  await keyField.fill(key.slice(0, -1));
  await keyField.blur();
  await expect(page.getByText("This isn't a recovery key yet")).toBeVisible();
  await keyField.fill(key.toLowerCase().replaceAll('-', ' '));
  await typePhraseTwice(page, 'six new words for a phrase', 'New passphrase');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Set passphrase and unlock' }).click();
  await expect(page.getByRole('heading', { level: 1, name: NAME })).toBeVisible();

  await page.keyboard.press('F9');
  await expectLocked(page);
  await enterPhrase(page, PHRASE);
  await expect(page.getByRole('alert')).toHaveText('That passphrase unlocks nothing.');
  await unlock(page, 'six new words for a phrase');
});

test('a worker that fails to load is reported, and the passphrase stays in its field', async ({
  page,
  user,
  guard,
}) => {
  guard.allow(/worker/i, /ERR_FAILED/);
  await signIn(page, user);
  await page.route('**/assets/worker-*.js', (route) => route.abort());
  await enterPhrase(page, PHRASE);
  await expect(page.getByRole('alert')).toContainText("Encryption couldn't be started");
  await expect(phraseField(page)).toHaveValue(PHRASE);
});

test('the page stays responsive during key stretching', async ({ page, user }) => {
  // Counts the tasks of the main thread from the server's response, after which the key is stretched, to the message.
  await page.addInitScript(() => {
    const send = window.fetch;
    const counts = Object.assign(window, { tasks: 0 });
    let isStretching = false;
    window.fetch = async (input, init) => {
      const response = await send(input, init);
      if (response.url.endsWith('/unlock/start')) [isStretching, counts.tasks] = [true, 0];
      return response;
    };
    new MutationObserver(() => {
      if (document.querySelector('[role="alert"]')) isStretching = false;
    }).observe(document, { childList: true, subtree: true });
    setInterval(() => isStretching && counts.tasks++);
  });
  await signIn(page, user);
  await goToUnlock(page);
  await phraseField(page).fill('not the phrase');
  await phraseField(page).press('Enter');
  await expect(page.getByRole('alert')).toBeVisible();
  // On the main thread, key stretching would be a single task, so almost none of these would run.
  expect(await page.evaluate(() => (window as unknown as { tasks: number }).tasks)).toBeGreaterThan(10);
});
