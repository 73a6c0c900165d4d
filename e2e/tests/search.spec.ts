/** Searching the journal. */

import { createEntry, row } from '../support/reading';
import { expect, expectAccessible, pictures, signIn, test } from '../support/test';

test('search marks its hits while the user types', { tag: '@main' }, async ({ page, user }) => {
  await createEntry(user, '2026-01-05', {
    title: 'The River',
    content: `${'Long before. '.repeat(60)}We swam in the *rivers* of ice.`,
    tags: ['cold'],
  });
  await createEntry(user, '2026-02-05', { content: 'A driver, and <b>no water</b>.' });
  await createEntry(user, '2026-03-05', { content: 'Río: the riverbank again.' });
  await signIn(page, user);
  await page.goto('/search');
  await page.getByRole('searchbox').pressSequentially('riv');
  await expect(page.getByText('2 entries')).toBeVisible();
  await expect(page.locator('mark')).toHaveText(['riv', 'Riv', 'riv']);
  await expect(row(page, 'We swam in the rivers of ice.')).toContainText('The River');
  await expect(page).toHaveURL('/search?q=riv');
  await expectAccessible(page);
  await pictures(page, 'search');

  await page.getByLabel('Tag').selectOption('cold');
  await expect(page.getByText('1 entry', { exact: true })).toBeVisible();
  await page.getByLabel('Tag').selectOption('');
  await page.getByLabel('From').fill('2026-02-01');
  await expect(page.locator('article')).toHaveCount(1);
  await expect(row(page, 'riverbank')).toBeVisible();
  await page.getByRole('searchbox').fill('zebra');
  await expect(page.getByRole('heading', { name: 'Nothing found' })).toBeVisible();
  await expectAccessible(page);
  await page.reload();
  await expect(page.getByRole('searchbox')).toHaveValue('zebra');
  await page.getByRole('searchbox').fill('no wat');
  await expect(row(page, 'A driver, and <b>no water</b>.')).toBeVisible();
});

test('the search page follows its URL', async ({ page, user }) => {
  await createEntry(user, '2026-01-05', { title: 'At the lake', content: 'cold' });
  await signIn(page, user);
  const field = page.getByRole('searchbox');
  const search = page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Search' });
  await page.goto('/search?q=lake');
  await expect(row(page, 'At the lake')).toBeVisible();
  await search.click();
  await expect(page).toHaveURL('/search');
  await expect(field).toHaveValue('');
  await expect(page.locator('article')).toHaveCount(0);
  await page.goBack();
  await expect(field).toHaveValue('lake');
  await expect(row(page, 'At the lake')).toBeVisible();

  // The menu link also resets a search that was typed.
  await field.fill('lak');
  await expect(page).toHaveURL('/search?q=lak');
  await search.click();
  await expect(page).toHaveURL('/search');
  await expect(field).toHaveValue('');
  await expect(page.locator('article')).toHaveCount(0);
});
