/** Secret tags, made and opened as people do. */

import { expect as quick, type Page } from '@playwright/test';

// Stretching a phrase takes 64 MiB and three passes each time, and as long as it takes.
const expect = quick.configure({ timeout: 60_000 });

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
  await page.getByRole('button', { name: 'Keep something under a phrase' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill(name);
  await typeTwice(page, phrase);
  await page.getByRole('button', { name: 'Next' }).click();
  const groups = await shownGroups(page);
  await page.getByRole('button', { name: 'I have it' }).click();
  await confirm(page, groups);
  await page.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
  return groups.join('-');
}

/** The groups of the recovery key that is shown. */
export async function shownGroups(page: Page): Promise<string[]> {
  await expect(page.locator('.groups code')).toHaveCount(14);
  return page.locator('.groups code').allTextContents();
}

export async function confirm(page: Page, groups: string[]): Promise<void> {
  const asked = page.getByRole('textbox', { name: /^Group/ });
  for (const one of await asked.all()) {
    const label = await one.evaluate((input: HTMLInputElement) => input.labels![0]!.textContent!);
    await one.fill(groups[Number(/\d+/.exec(label)![0]) - 1]!.toLowerCase());
  }
}
