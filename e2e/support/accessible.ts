/** Checks pages with axe against WCAG 2.2, level AA, in the light and the dark theme. */

import { expect, type Page } from '@playwright/test';
import axe from 'axe-core';

const STANDARD = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/**
 * Fails with all violations that axe finds. Leaves the page in the light theme.
 * The test browsers request reduced motion, so no colour transition is running during the check.
 */
export async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    // The content security policy would block a script element.
    if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
    const violations = await page.evaluate(async (values) => {
      const { axe } = window as unknown as { axe: typeof import('axe-core') };
      const { violations } = await axe.run(document, { runOnly: { type: 'tag', values } });
      return violations.map(({ id, help, nodes }) =>
        [`${id}: ${help}`, ...nodes.flatMap(({ html, failureSummary }) => [html, failureSummary])].join('\n'),
      );
    }, STANDARD);
    expect(violations, `${page.url()}, ${colorScheme}`).toEqual([]);
  }
}
