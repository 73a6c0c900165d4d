/** Screenshots for people to look at. */

import { resolve } from 'node:path';

import type { Page } from '@playwright/test';

const SIZES = { wide: { width: 1280, height: 800 }, narrow: { width: 390, height: 844 } };

/**
 * Saves `screenshots/<name>-<wide|narrow>-<light|dark>.png` under `npm run screenshots`, and does nothing otherwise.
 * Leaves the page wide and in the light theme.
 */
export async function pictures(page: Page, name: string): Promise<void> {
  if (!process.env.SOTTO_PICTURES) return;
  for (const size of ['narrow', 'wide'] as const) {
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.setViewportSize(SIZES[size]);
      await page.emulateMedia({ colorScheme });
      const path = resolve(import.meta.dirname, `../screenshots/${name}-${size}-${colorScheme}.png`);
      await page.screenshot({ path, animations: 'disabled' });
    }
  }
}
