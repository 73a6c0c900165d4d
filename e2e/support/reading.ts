/** Steps for tests of the pages that show entries. */

import type { Page } from '@playwright/test';

import type { User } from './people';

export type NewEntry = { title?: string; content: string; tags?: string[] };

/** Creates an entry through the API, at 11:00 UTC, which is noon in Berlin in winter. */
export const createEntry = (user: User, day: string, entry: NewEntry) =>
  user.api<{ id: string }>('POST', '/api/journals/', {
    ...entry,
    entry_date: `${day}T11:00:00Z`,
    entry_zone: 'Europe/Berlin',
  });

/** The date this many days and years before today, in the time zone of the test users. */
export function daysAgo(days: number, years = 0): string {
  const date = new Date(Date.now() - days * 86_400_000);
  const day = new Intl.DateTimeFormat('en-CA', { dateStyle: 'short', timeZone: 'Europe/Berlin' }).format(date);
  return `${Number(day.slice(0, 4)) - years}${day.slice(4)}`;
}

/** Waits until the page has stopped scrolling, because a click on a moving row misses it. */
export const waitForScrollEnd = (page: Page) =>
  page.evaluate(async () => {
    for (
      let since = performance.now(), place = scrollY;
      performance.now() - since < 500;
      await new Promise(requestAnimationFrame)
    ) {
      if (scrollY !== place) [since, place] = [performance.now(), scrollY];
    }
  });

export const row = (page: Page, text: string) => page.locator('article', { hasText: text });
