/** What axe finds on a page, by WCAG 2.2 up to level AA, in light and in dark. */

import { expect, type Page } from '@playwright/test';
import axe from 'axe-core';

const STANDARD = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/**
 * Fails with all that axe finds. The page is then light, as it is in the beginning.
 * Our browsers ask for reduced motion, with which the app has no transitions: no colour is on its way to another one.
 */
export async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    // Not as an element, which the page's policy would refuse.
    if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
    const violations = await page.evaluate(async (values) => {
      const { axe } = window as unknown as { axe: typeof import('axe-core') };
      const { violations } = await axe.run(document, { runOnly: { type: 'tag', values } });
      return violations.map(({ id, help, nodes }) => [`${id}: ${help}`, ...nodes.flatMap(({ html, failureSummary }) => [html, failureSummary])].join('\n'));
    }, STANDARD);
    expect(violations, `${page.url()}, ${colorScheme}`).toEqual([]);
  }
}
