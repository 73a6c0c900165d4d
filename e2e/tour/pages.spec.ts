/**
 * Takes screenshots of every page with a filled journal, in `screenshots/tour/`. Four of them are also the README's
 * pictures.
 */

import { copyFile, mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';

import { createTag, goToUnlock, PHRASE } from '../support/secret';
import { expect, makeSuperuser, newUser, signIn, test, type Page } from '../support/test';
import { fillJournal } from './journal';

const FOLDER = resolve(import.meta.dirname, '../screenshots/tour');
const README = resolve(import.meta.dirname, '../../docs/pictures');
const SIZES = { wide: { width: 1280, height: 800 }, narrow: { width: 390, height: 844 } };

/** Screenshots that the README shows. */
const README_SCREENSHOTS = ['journal-wide-light', 'write-wide-dark', 'calendar-wide-light', 'secret-tag-wide-dark'];

const SECRET = [
  [
    'Before the first session',
    'I have written a list of what I will not talk about. It is quite a good list. I shall take it with me.',
  ],
  [
    'The list',
    'We talked about the list. She asked who had dictated it. I had no answer on the way home, and have had three since.',
  ],
  [
    'What I did not say at dinner',
    'That I was glad, and that it frightened me. It is easier to write it here, where it stays until I come for it.',
  ],
] as const;

async function takeScreenshots(page: Page, name: string, act?: () => Promise<void>): Promise<void> {
  for (const size of ['wide', 'narrow'] as const) {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize(SIZES[size]);
      await page.emulateMedia({ colorScheme });
      await act?.();
      const picture = `${name}-${size}-${colorScheme}`;
      await page.screenshot({ path: `${FOLDER}/${picture}.png`, animations: 'disabled' });
      if (README_SCREENSHOTS.includes(picture)) await copyFile(`${FOLDER}/${picture}.png`, `${README}/${name}.png`);
    }
  }
  await page.setViewportSize(SIZES.wide);
}

test('every page has screenshots', async ({ page, server }) => {
  await mkdir(README, { recursive: true });
  await page.goto('/login');
  await takeScreenshots(page, 'login');
  await page.goto('/signup');
  await takeScreenshots(page, 'signup');

  const ada = await newUser(server.url, 'Ada Lovelace');
  await signIn(page, ada);
  await takeScreenshots(page, 'journal-empty');
  await fillJournal(ada);
  const waitUntilLoaded = async () => {
    // The text of the app while it loads.
    await expect(page.getByText('One moment…')).toHaveCount(0);
    await page.evaluate(() => document.fonts.ready);
  };
  await page.reload();
  await expect(page.getByRole('heading', { name: 'First frost' })).toBeVisible();
  await page.evaluate(() => document.fonts.ready);
  await takeScreenshots(page, 'journal');

  await page.getByRole('link', { name: 'First frost' }).first().click();
  await expect(page.getByRole('heading', { level: 1, name: 'First frost' })).toBeVisible();
  await takeScreenshots(page, 'entry');

  const pages = {
    calendar: '/calendar',
    'on-this-day': '/on-this-day',
    tags: '/tags',
    statistics: '/statistics',
    open: '/open',
    reminders: '/reminders',
    settings: '/settings',
    appearance: '/settings/appearance',
    writing: '/settings/writing',
    security: '/settings/security',
    tokens: '/settings/tokens',
    data: '/settings/data',
    about: '/settings/about',
    more: '/more',
    search: '/search?q=lake',
    nothing: '/nowhere',
  };
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(path);
    await expect(page.getByRole('main').getByRole('heading').first()).toBeVisible();
    await waitUntilLoaded();
    await takeScreenshots(page, name);
  }

  await page.goto('/write');
  await page.getByRole('textbox', { name: 'Title' }).fill('The heron again');
  await page.getByRole('textbox', { name: 'Text', exact: true }).click();
  await page.keyboard.insertText(
    'He stood in the same ditch, at the same hour, with the **same contempt**.\n\nI have begun to think that he is the one who keeps a journal:\n\n- one human, late\n- no fish\n- wind from the east\n\nWalked home along the dyke. The light was lying on the fields as if it had been put down there for a moment, by someone who meant to come back for it.',
  );
  await expect(page.getByText(/^Saved at/)).toBeVisible();
  await takeScreenshots(page, 'write');

  await page.goto('/');
  await createTag(page, 'Therapy', PHRASE);
  for (const [title, text] of SECRET) {
    await goToUnlock(page);
    await page.getByRole('main').getByRole('button', { name: 'Write' }).click();
    await page.getByRole('textbox', { name: 'Title' }).fill(title);
    await page.getByRole('textbox', { name: 'Text', exact: true }).click();
    await page.keyboard.insertText(text);
    await expect(page.getByText(/^Saved at/)).toBeVisible();
  }
  await takeScreenshots(page, 'write-secret');
  await goToUnlock(page);
  await expect(page.getByRole('heading', { name: SECRET[0][0] })).toBeVisible();
  await takeScreenshots(page, 'secret-tag');

  await page.context().clearCookies();
  await page.evaluate(() => localStorage.clear());
  await signIn(page, await makeSuperuser(server));
  for (const [name, path] of [
    ['admin', '/admin'],
    ['database', '/admin/database'],
  ] as const) {
    await page.goto(path);
    await waitUntilLoaded();
    await takeScreenshots(page, name);
  }
});
