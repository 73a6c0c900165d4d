/** Steps for tests of secret tags: create and unlock them, and write entries under them. */

import { expect as baseExpect, type Page } from '@playwright/test';

// Key stretching needs 64 MiB and three passes each time, which is slow on a busy machine.
export const expect = baseExpect.configure({ timeout: 60_000 });

export const PHRASE = 'violet harbour lantern sixty gravel oboe';
export const NAME = 'Therapy 🌒';

export const phraseField = (page: Page) => page.getByRole('textbox', { name: 'Passphrase' });

/** Opens the page through the menu, because a reload would lock all tags. */
export async function goToUnlock(page: Page): Promise<void> {
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Unlock', exact: true }).click();
}

export async function enterPhrase(page: Page, phrase: string): Promise<void> {
  await goToUnlock(page);
  await phraseField(page).fill(phrase);
  await page.getByRole('button', { name: 'Unlock', exact: true }).click();
}

export async function unlock(page: Page, phrase: string, name = NAME): Promise<void> {
  await enterPhrase(page, phrase);
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
}

export async function typePhraseTwice(page: Page, phrase: string, label = 'Passphrase'): Promise<void> {
  await page.getByRole('textbox', { name: label, exact: true }).fill(phrase);
  await page.getByRole('textbox', { name: 'Repeat it' }).fill(phrase);
}

/** Creates a secret tag and returns its recovery key. */
export async function createTag(page: Page, name = NAME, phrase = PHRASE): Promise<string> {
  await goToUnlock(page);
  return completeNewTag(page, name, phrase);
}

/** Creates a secret tag while another one is unlocked and shown. */
export async function createAnotherTag(page: Page, name: string, phrase: string): Promise<string> {
  await page.getByRole('button', { name: 'Unlock another' }).click();
  return completeNewTag(page, name, phrase);
}

async function completeNewTag(page: Page, name: string, phrase: string): Promise<string> {
  const recoveryKey = await fillNewTagForm(page, name, phrase);
  await page.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
  return recoveryKey;
}

/** Goes through all steps but the last of creating a secret tag, and returns its recovery key. */
export async function fillNewTagForm(page: Page, name: string, phrase: string): Promise<string> {
  await page.getByRole('button', { name: 'Lock something away' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill(name);
  await typePhraseTwice(page, phrase);
  await page.getByRole('button', { name: 'Next' }).click();
  await expect(page.locator('.groups code')).toHaveCount(14);
  const groups = await page.locator('.groups code').allTextContents();
  // The keyboard focus follows from step to step.
  await expect(page.getByRole('heading', { name: 'Recovery key' })).toBeFocused();
  await page.getByRole('button', { name: "I've saved it" }).click();
  await expect(page.getByRole('textbox', { name: /^Group/ }).first()).toBeFocused();
  await confirmRecoveryKey(page, groups);
  return groups.join('-');
}

async function confirmRecoveryKey(page: Page, groups: string[]): Promise<void> {
  const fields = page.getByRole('textbox', { name: /^Group/ });
  for (const field of await fields.all()) {
    const label = await field.evaluate((input: HTMLInputElement) => input.labels![0]!.textContent);
    await field.fill(groups[Number(/\d+/.exec(label)![0]) - 1]!.toLowerCase());
  }
}

export const unlockedTagsBar = (page: Page) => page.getByRole('complementary', { name: 'Unlocked now' });

/** Writes an entry under the shown secret tag, and waits until it is saved. */
export async function writeEntry(page: Page, title: string, text: string): Promise<void> {
  await page.locator('main').getByRole('button', { name: 'Write' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill(title);
  await page.locator('.cm-content').click();
  await page.keyboard.type(text);
  await expect(page.getByText(/^Saved at/)).toBeVisible();
}

/** Types at the end of the entry. */
export async function append(page: Page, text: string): Promise<void> {
  await page.locator('.cm-content').click();
  await page.keyboard.press('ControlOrMeta+End');
  await page.keyboard.type(text);
}

/**
 * Records all requests of the page from now on with their bodies. Playwright cannot see the bodies of
 * `fetch(request)`.
 */
export async function recordRequests(page: Page): Promise<string[]> {
  const sent: string[] = [];
  await page.exposeFunction('recordSent', (text: string) => void sent.push(text));
  await page.addInitScript(() => {
    const send = window.fetch;
    window.fetch = async (input, init) => {
      const request = new Request(input, init);
      const { recordSent } = window as unknown as { recordSent: (text: string) => Promise<void> };
      await recordSent(
        `${request.method} ${request.url} ${JSON.stringify([...request.headers])} ${await request.clone().text()}`,
      );
      return send(request);
    };
  });
  return sent;
}

/** The content of this browser's storage for the app, and the names of its databases and caches. Runs in the page. */
export async function browserStorage(): Promise<string> {
  const caches = await Promise.all(
    (await window.caches.keys()).map(async (name) => [
      name,
      (await (await window.caches.open(name)).keys()).map(({ url }) => url),
    ]),
  );
  const names = (await indexedDB.databases()).map(({ name }) => name);
  return JSON.stringify({ ...localStorage, session: { ...sessionStorage }, names, caches });
}

export const expectLocked = async (page: Page) => {
  await expect(unlockedTagsBar(page)).toHaveCount(0);
  await expect(page).toHaveURL('/');
};
