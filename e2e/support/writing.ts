/** Writing, as people do it. */

import { expect as expectNow, type Page } from '@playwright/test';

import type { User } from './people';

/** Saving waits for a pause in typing, and the machine may be busy. */
export const expect = expectNow.configure({ timeout: 20_000 });

export const paper = (page: Page) => page.getByRole('textbox', { name: 'Text', exact: true });
export const title = (page: Page) => page.getByRole('textbox', { name: 'Title' });
export const tags = (page: Page) => page.getByRole('combobox', { name: 'Tags' });
export const saved = (page: Page) => page.getByText(/^Saved at/);
export const kept = (page: Page) => page.getByText('Kept on this device', { exact: true });

/** What the network's absence makes a browser log. */
export const NETWORK = /ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_REFUSED|ERR_FAILED/;
export const BROKEN = /status of 50\d/;

export async function write(page: Page, text: string): Promise<void> {
  await paper(page).click();
  await page.keyboard.press('Control+End');
  await page.keyboard.insertText(text);
}

export async function newPage(page: Page, text: string): Promise<string> {
  await page.goto('/write');
  await write(page, text);
  await expect(page).toHaveURL(/\/entries\/[0-9a-f-]{36}\/edit$/);
  return page.url().split('/').at(-2)!;
}

export const entries = (user: User) => user.api<any[]>('GET', '/api/journals/');

export async function newEntry(user: User, content: string): Promise<string> {
  const { id } = await user.api('POST', '/api/journals/', { content, entry_date: '2026-11-25T08:00:00Z' });
  return id;
}
