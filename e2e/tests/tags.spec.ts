/** The page for tags. */

import { createEntry, daysAgo, row } from '../support/reading';
import { expect, expectAccessible, pictures, signIn, test } from '../support/test';

test('tags are created, coloured, renamed and deleted', async ({ page, user }) => {
  await createEntry(user, daysAgo(1), { title: 'At the sea', content: 'salt', tags: ['travl'] });
  await signIn(page, user);
  await page.goto('/tags');
  await page.getByRole('button', { name: 'Edit tag travl' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('travel');
  await dialog.getByRole('radio', { name: 'Teal' }).check({ force: true });
  await expectAccessible(page);
  await pictures(page, 'tag');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog).toBeHidden();
  await page.getByRole('link', { name: 'travel' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'travel' })).toBeVisible();
  await expect(row(page, 'At the sea').locator('.dot')).toHaveCSS('background-color', 'rgb(37, 145, 138)');
  await expectAccessible(page);

  await page.goto('/tags');
  await page.getByRole('button', { name: 'New tag' }).click();
  await dialog.getByLabel('Name').fill('Travel');
  await dialog.getByRole('button', { name: 'Save' }).click();
  // The name differs from an existing one only in case. The form keeps its input.
  await expect(dialog.getByRole('alert')).toHaveText('You already have a tag with this name.');
  await expect(dialog.getByLabel('Name')).toHaveValue('Travel');
  await dialog.getByLabel('Name').fill('عائلة 🌊');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('link', { name: 'عائلة 🌊' })).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'tags');

  await page.getByRole('button', { name: 'Edit tag travel' }).click();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  const question = page.getByRole('dialog', { name: 'Delete the tag “travel”?' });
  await expect(question.getByText('Your entries stay as they are')).toBeVisible();
  await expectAccessible(page);
  await question.getByRole('button', { name: 'Cancel' }).click();
  await expect(dialog.getByRole('button', { name: 'Delete' })).toBeFocused();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await question.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('link', { name: 'travel' })).toBeHidden();
  await page.goto('/');
  await expect(row(page, 'At the sea')).toBeVisible();
  await expect(row(page, 'At the sea').locator('.tag')).toHaveCount(0);
});
