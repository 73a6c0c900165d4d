/** Steps for tests of recordings. */

import { expect, type Page } from '@playwright/test';

import { deviceRows } from './device';

export const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
export const player = (page: Page, name = 'Recording') => page.getByRole('group', { name, exact: true });
export const pendingRecording = (page: Page) => player(page, 'Recording, not saved yet');
export const position = (page: Page) => page.getByRole('slider', { name: 'Position' });
export const playbackPosition = (page: Page) =>
  position(page).evaluate((slider: HTMLInputElement) => slider.valueAsNumber);
export const goToRecordingButton = (page: Page) => page.getByRole('button', { name: 'Go to the recording' });

/**
 * A pattern for the shown length of a recording of at least this many seconds (1 to 9). A busy machine records for
 * longer.
 */
export const durationPattern = (seconds: number) => `(?:0:0[${seconds}-9]|0:[1-5]\\d|[1-9]\\d*:\\d\\d)`;
/** The text of a player at the start, or at any position, of a recording of at least this many seconds. */
export const beginningOf = (seconds: number) => new RegExp(`0:00\\s/\\s${durationPattern(seconds)}`);
export const lengthOf = (seconds: number) => new RegExp(`/\\s${durationPattern(seconds)}`);

/** Waits until at least this many seconds are recorded. */
export const waitUntilRecorded = (page: Page, seconds: number) =>
  expect(page.getByRole('timer')).toHaveText(new RegExp(durationPattern(seconds)));

/** Starts a recording and waits until it has at least this many seconds. */
export async function startRecording(page: Page, seconds = 2): Promise<void> {
  await button(page, 'Record').click();
  await waitUntilRecorded(page, seconds);
}

/** Counts the rows of pending recordings on this device, and says whether any of their bytes are unencrypted. */
export async function pendingRows(page: Page) {
  const { recordings = [], chunks = [] } = await deviceRows(page);
  return {
    recordings: recordings.length,
    chunks: chunks.length,
    plain: chunks.some(({ text }) => /webm|Opus|matroska/i.test(text)),
  };
}

export const NO_PENDING_ROWS = { recordings: 0, chunks: 0, plain: false };

/** Opens a page through the menu. Unlike a reload, this keeps secret tags unlocked and the tab's memory intact. */
export const goTo = (page: Page, name: string) =>
  page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click();

/** Blocks the creation of entries until the returned function is called. */
export async function blockNewEntries(page: Page): Promise<() => Promise<void>> {
  await page.route('**/api/journals/', (route) =>
    route.request().method() === 'POST' ? route.abort() : route.continue(),
  );
  return () => page.unroute('**/api/journals/');
}
