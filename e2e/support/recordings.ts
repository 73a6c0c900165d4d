/** Recordings, as people make them and listen to them. */

import { expect as expectNow, type Page } from '@playwright/test';

import { onDevice } from './device';

/** A recording takes its time, and the machine may be busy. */
export const expect = expectNow.configure({ timeout: 30_000 });

export const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
export const player = (page: Page, name = 'Recording') => page.getByRole('group', { name, exact: true });
export const waiting = (page: Page) => player(page, 'Recording, not kept yet');
export const position = (page: Page) => page.getByRole('slider', { name: 'Position' });
export const at = (page: Page) => position(page).evaluate((slider: HTMLInputElement) => slider.valueAsNumber);
export const backToIt = (page: Page) => page.getByRole('button', { name: 'Back to it' });

/** Begins to record, and goes on for so many seconds. */
export async function beginRecording(page: Page, seconds = 2): Promise<void> {
  await button(page, 'Record').click();
  await expect(page.getByRole('timer')).toHaveText(new RegExp(`0:0[${seconds}-9]`));
}

/** How much of what is not kept yet lies on this device: what is known of it, and its pieces. */
export async function stored(page: Page) {
  const { takes = [], pieces = [] } = await onDevice(page);
  return { takes: takes.length, pieces: pieces.length, plain: pieces.some(({ text }) => /webm|Opus|matroska/i.test(text)) };
}

export const NOTHING = { takes: 0, pieces: 0, plain: false };

/** Goes there by the menu: what is open stays open, and what this tab has in memory. */
export const goTo = (page: Page, name: string) => page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click();

/** From here on nothing that is written reaches the server; the answer lets it. */
export async function cutOff(page: Page): Promise<() => Promise<void>> {
  await page.route('**/api/journals/', (route) => (route.request().method() === 'POST' ? route.abort() : route.continue()));
  return () => page.unroute('**/api/journals/');
}
