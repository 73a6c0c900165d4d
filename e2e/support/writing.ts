/** Steps for tests of the editor. */

import { expect, type Page } from '@playwright/test';

import type { User } from './users';

export const editor = (page: Page) => page.getByRole('textbox', { name: 'Text', exact: true });
export const title = (page: Page) => page.getByRole('textbox', { name: 'Title' });
export const tags = (page: Page) => page.getByRole('combobox', { name: 'Tags' });
export const saved = (page: Page) => page.getByText(/^Saved at/);
export const savedOnDevice = (page: Page) => page.getByText('Saved on this device', { exact: true });
/**
 * The status of a draft that is not sent yet. Its wording depends on whether the browser reports itself as offline,
 * which varies.
 */
export const notSentYet = (page: Page) =>
  page.getByText(/^Saved on this device(\. It will be sent when you're back online\.)?$/);

/** Console errors of a browser without a network. */
export const NETWORK_ERROR = /ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_REFUSED|ERR_FAILED/;
export const SERVER_ERROR = /status of 50\d/;

/**
 * Types at the end of the text. The editor has the text when this returns, so that its state is that of the new text.
 * Of a long line, the editor renders only the part around the cursor.
 */
export async function appendText(page: Page, text: string): Promise<void> {
  await editor(page).click();
  await page.keyboard.press('Control+End');
  await page.keyboard.insertText(text);
  await expect(editor(page)).toContainText(text.split('\n').at(-1)!.slice(-80));
}

export async function writeNewEntry(page: Page, text: string): Promise<string> {
  await page.goto('/write');
  await appendText(page, text);
  await expect(page).toHaveURL(/\/entries\/[0-9a-f-]{36}\/edit$/);
  return page.url().split('/').at(-2)!;
}

export const entries = (user: User) => user.api<any[]>('GET', '/api/journals/');

export async function newEntry(user: User, content: string): Promise<string> {
  const { id } = await user.api('POST', '/api/journals/', { content, entry_date: '2026-11-25T08:00:00Z' });
  return id;
}
