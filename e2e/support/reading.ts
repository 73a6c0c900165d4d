/** Steps for tests of the pages that show entries. */

import type { Page } from '@playwright/test';

import { bounded } from './bounded';
import type { User } from './users';

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

/**
 * Waits until the page has not scrolled for 30 frames, because a click on a moving row misses it. Frames instead of a
 * time, because a busy machine draws fewer of them.
 */
export function waitForScrollEnd(page: Page): Promise<void> {
  const scrollEnd = page.evaluate(async () => {
    let position = scrollY;
    for (let frames = 0; frames < 30; frames++) {
      await new Promise(requestAnimationFrame);
      if (scrollY !== position) [frames, position] = [0, scrollY];
    }
  });
  return bounded('the page to stop scrolling', scrollEnd);
}

export const row = (page: Page, text: string) => page.locator('article', { hasText: text });
