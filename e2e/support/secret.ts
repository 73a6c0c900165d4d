/** Secret tags and what is under them: made, opened and written as people do. */

import { expect as quick, type Page } from '@playwright/test';

// Stretching a phrase takes 64 MiB and three passes each time, and as long as it takes.
export const expect = quick.configure({ timeout: 60_000 });

export const PHRASE = 'violet harbour lantern sixty gravel oboe';
export const NAME = 'Therapy 🌒';

export const field = (page: Page) => page.getByRole('textbox', { name: 'Phrase' });

/** Goes there by the menu: a reload would close what is open. */
export async function goToOpen(page: Page): Promise<void> {
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Open', exact: true }).click();
}

export async function open(page: Page, phrase: string): Promise<void> {
  await goToOpen(page);
  await field(page).fill(phrase);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
}

export async function openAs(page: Page, phrase: string, name = NAME): Promise<void> {
  await open(page, phrase);
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
}

export async function typeTwice(page: Page, phrase: string, label = 'Phrase'): Promise<void> {
  await page.getByRole('textbox', { name: label, exact: true }).fill(phrase);
  await page.getByRole('textbox', { name: 'The same again' }).fill(phrase);
}

/** Makes one as a person does; the answer is the recovery key. */
export async function make(page: Page, name = NAME, phrase = PHRASE): Promise<string> {
  await goToOpen(page);
  return makeHere(page, name, phrase);
}

/** Makes another one, while something is open and shown. */
export async function makeAnother(page: Page, name: string, phrase: string): Promise<string> {
  await page.getByRole('button', { name: 'Open another' }).click();
  return makeHere(page, name, phrase);
}

async function makeHere(page: Page, name: string, phrase: string): Promise<string> {
  const recoveryKey = await prepare(page, name, phrase);
  await page.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
  return recoveryKey;
}

/** All but the last step of making one; the answer is the recovery key. */
export async function prepare(page: Page, name: string, phrase: string): Promise<string> {
  await page.getByRole('button', { name: 'Keep something under a phrase' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill(name);
  await typeTwice(page, phrase);
  await page.getByRole('button', { name: 'Next' }).click();
  await expect(page.locator('.groups code')).toHaveCount(14);
  const groups = await page.locator('.groups code').allTextContents();
  // The keyboard goes along from step to step.
  await expect(page.getByRole('heading', { name: 'Recovery key' })).toBeFocused();
  await page.getByRole('button', { name: 'I have it' }).click();
  await expect(page.getByRole('textbox', { name: /^Group/ }).first()).toBeFocused();
  await confirm(page, groups);
  return groups.join('-');
}

async function confirm(page: Page, groups: string[]): Promise<void> {
  const asked = page.getByRole('textbox', { name: /^Group/ });
  for (const one of await asked.all()) {
    const label = await one.evaluate((input: HTMLInputElement) => input.labels![0]!.textContent!);
    await one.fill(groups[Number(/\d+/.exec(label)![0]) - 1]!.toLowerCase());
  }
}

export const strip = (page: Page) => page.getByRole('complementary', { name: 'Open now' });

/** Writes an entry under the one that is shown, and waits until the server has it. */
export async function write(page: Page, title: string, text: string): Promise<void> {
  await page.locator('main').getByRole('button', { name: 'Write' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill(title);
  await page.locator('.cm-content').click();
  await page.keyboard.type(text);
  await expect(page.getByText(/^Saved at/)).toBeVisible();
}

/** Types at the end of the text. */
export async function append(page: Page, text: string): Promise<void> {
  await page.locator('.cm-content').click();
  await page.keyboard.press('ControlOrMeta+End');
  await page.keyboard.type(text);
}

/** Everything that the page sends from now on, bodies included; Playwright does not see the bodies of what is sent by `fetch(request)`. */
export async function record(page: Page): Promise<string[]> {
  const sent: string[] = [];
  await page.exposeFunction('recordSent', (text: string) => void sent.push(text));
  await page.addInitScript(() => {
    const send = window.fetch;
    window.fetch = async (input, init) => {
      const request = new Request(input, init);
      const { recordSent } = window as unknown as { recordSent: (text: string) => Promise<void> };
      await recordSent(`${request.method} ${request.url} ${JSON.stringify([...request.headers])} ${await request.clone().text()}`);
      return send(request);
    };
  });
  return sent;
}

/** Everything that this browser keeps for the app, and how it is called. */
export async function kept(): Promise<string> {
  const caches = await Promise.all((await window.caches.keys()).map(async (name) => [name, (await (await window.caches.open(name)).keys()).map(({ url }) => url)]));
  const names = (await indexedDB.databases()).map(({ name }) => name);
  return JSON.stringify({ ...localStorage, session: { ...sessionStorage }, names, caches });
}

export const isClosed = async (page: Page) => {
  await expect(strip(page)).toHaveCount(0);
  await expect(page).toHaveURL('/');
};
