/** Reading, as people do it. */

import type { Page } from '@playwright/test';

import type { User } from './people';

export type NewEntry = { title?: string; content: string; tags?: string[] };

/** Writes an entry for a day, at noon in Berlin. */
export const write = (user: User, day: string, entry: NewEntry) =>
  user.api<{ id: string }>('POST', '/api/journals/', { ...entry, entry_date: `${day}T11:00:00Z`, entry_zone: 'Europe/Berlin' });

/** The day so many days, or years, before today where the people of the tests live. */
export function before(days: number, years = 0): string {
  const date = new Date(Date.now() - days * 86_400_000);
  const day = new Intl.DateTimeFormat('en-CA', { dateStyle: 'short', timeZone: 'Europe/Berlin' }).format(date);
  return `${Number(day.slice(0, 4)) - years}${day.slice(4)}`;
}

/** Waits until nothing scrolls any more: the wheel may still be turning, and a click on a row that moves is none. */
export const still = (page: Page) =>
  page.evaluate(async () => {
    for (let since = performance.now(), place = scrollY; performance.now() - since < 500; await new Promise(requestAnimationFrame)) {
      if (scrollY !== place) [since, place] = [performance.now(), scrollY];
    }
  });

export const row = (page: Page, text: string) => page.locator('article', { hasText: text });
