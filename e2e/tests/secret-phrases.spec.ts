/** Phrases and recovery keys: what is wrong opens nothing and tells nothing, and both can be had anew. */

import { expect, field, goToOpen, isClosed, make, NAME, open, openAs, PHRASE, record, strip, typeTwice } from '../support/secret';
import { expectAccessible, newUser, signIn, test } from '../support/test';

test.describe.configure({ timeout: 240_000 });

test('a phrase that is wrong, and one where there is nothing, look the same', async ({ page, user, server, otherBrowser }) => {
  await signIn(page, user);
  await make(page);
  await page.keyboard.press('F9');
  const other = await otherBrowser();
  await signIn(other, await newUser(server.url, user.name));

  const shapes = [];
  for (const somebody of [page, other]) {
    const requests: string[] = [];
    somebody.on('request', (request) => {
      const { pathname } = new URL(request.url());
      if (pathname.startsWith('/api/')) requests.push(`${request.method()} ${pathname.replace(/[0-9a-f-]{36}/, '{id}')}`);
    });
    await open(somebody, 'not the phrase');
    await expect(somebody.getByRole('alert')).toHaveText('Nothing was opened.');
    shapes.push({ requests, text: await somebody.locator('body').innerText(), url: new URL(somebody.url()).pathname });
  }
  expect(shapes[0]).toEqual(shapes[1]);
});

test('who tries too often has to wait, and is told for how long', async ({ page, user }) => {
  const sent = await record(page);
  await signIn(page, user);
  await open(page, 'not the phrase');
  await expect(page.getByRole('alert')).toBeVisible();
  const [, path, body] = sent.map((text) => /(\/api\/\S+unlock\/start) .*?(\{.*\})$/.exec(text)).find((found) => found !== null)!;
  // There is nothing, and it is slowed all the same: after nine tries, by 16 seconds.
  let tried = 1;
  const again = () => user.api('POST', path!, JSON.parse(body!)).then(() => ++tried, () => tried);
  await expect.poll(again).toBe(9);
  await field(page).press('Enter');
  await expect(page.getByRole('alert')).toHaveText(/not everything could be tried\. Try the same again in \d+ seconds?\./);
});

test('the phrase is changed, and the old one opens nothing', async ({ page, user, otherBrowser }) => {
  await signIn(page, user);
  await make(page);
  const other = await otherBrowser();
  await signIn(other, user);
  await openAs(other, PHRASE);

  await page.getByRole('button', { name: 'Change the phrase' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'New phrase' }).fill('monkey');
  await dialog.getByRole('textbox', { name: 'The same again' }).fill('monkey');
  // A phrase that can be guessed takes a clear word.
  await expect(dialog.getByText('Can be guessed', { exact: true })).toBeVisible();
  const change = dialog.getByRole('button', { name: 'Change the phrase' });
  await expect(change).toBeDisabled();
  await dialog.getByRole('checkbox').check();
  await expect(change).toBeEnabled();
  await expectAccessible(page);
  await change.click();
  await expect(page.getByText('The phrase is changed.')).toBeVisible();
  await expect(strip(page)).toBeVisible();

  // The other browser has lost it, and finds out when it does something.
  await other.getByRole('button', { name: 'Rename' }).click();
  await other.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await isClosed(other);
  await open(other, PHRASE);
  await expect(other.getByRole('alert')).toHaveText('Nothing was opened.');
  await openAs(other, 'monkey');
  // The wrong try was counted, and is shown.
  await expect(other.getByText(/Somebody tried a phrase in vain/)).toBeVisible();
});

test('with the recovery key a new phrase is set, without it nothing', async ({ page, user }) => {
  await signIn(page, user);
  const key = await make(page);
  await page.keyboard.press('F9');
  await isClosed(page);

  await goToOpen(page);
  await page.getByRole('button', { name: 'I have a recovery key' }).click();
  const typed = page.getByRole('textbox', { name: 'Recovery key' });
  await typed.fill(key.slice(0, -1));
  await typed.blur();
  await expect(page.getByText('That is not a recovery key yet')).toBeVisible();
  await typed.fill(key.toLowerCase().replaceAll('-', ' '));
  await typeTwice(page, 'six new words for a phrase', 'New phrase');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Set the phrase and open' }).click();
  await expect(page.getByRole('heading', { level: 1, name: NAME })).toBeVisible();

  await page.keyboard.press('F9');
  await isClosed(page);
  await open(page, PHRASE);
  await expect(page.getByRole('alert')).toHaveText('Nothing was opened.');
  await openAs(page, 'six new words for a phrase');
});

test('a browser that blocks the encryption says so', async ({ page, user, guard }) => {
  guard.allow(/worker/i, /ERR_FAILED/);
  await signIn(page, user);
  await page.route('**/assets/worker-*.js', (route) => route.abort());
  await open(page, PHRASE);
  await expect(page.getByRole('alert')).toContainText('Encryption could not be started');
  await expect(field(page)).toHaveValue(PHRASE);
});

test('the page goes on while a phrase is stretched', async ({ page, user }) => {
  await signIn(page, user);
  await goToOpen(page);
  await page.evaluate(() => {
    const state = window as unknown as { longest: number };
    let last = performance.now();
    state.longest = 0;
    setInterval(() => {
      const now = performance.now();
      state.longest = Math.max(state.longest, now - last);
      last = now;
    });
  });
  const start = Date.now();
  await field(page).fill('not the phrase');
  await field(page).press('Enter');
  await expect(page.getByRole('alert')).toBeVisible();
  const took = Date.now() - start;
  // Stretching is most of the time; had it been in the page, it would be one long pause.
  expect(await page.evaluate(() => (window as unknown as { longest: number }).longest)).toBeLessThan(took / 4);
});
