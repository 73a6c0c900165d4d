/** Pictures of pages, for people to look at. */

import { resolve } from 'node:path';

import type { Page } from '@playwright/test';

const SIZES = { wide: { width: 1280, height: 800 }, narrow: { width: 390, height: 844 } };

/**
 * Keeps `screenshots/<name>-<wide|narrow>-<light|dark>.png`. Only `npm run screenshots` wants them; else this does nothing.
 * The page is wide and light afterwards.
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
