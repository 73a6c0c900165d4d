/** Search, calendar, “On this day”, statistics and tags. */

import { createEntry, daysAgo, row } from '../support/reading';
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

test('the calendar shows a year and works with mouse and keyboard', async ({ page, user }) => {
  await createEntry(user, '2024-02-29', { title: 'A day that is rare', content: 'words '.repeat(30) });
  await createEntry(user, '2024-03-01', { content: 'few' });
  await signIn(page, user);
  await page.goto('/calendar/2024');
  await expect(page.getByText('2 entries on 2 days, 36 words')).toBeVisible();
  await expect(page.getByRole('grid')).toHaveCount(12);
  await expect(page.getByRole('button', { name: /29 February 2024: 1 entry, 35 words/ })).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'calendar');

  await page.getByRole('button', { name: /29 February 2024/ }).click();
  const day = page.getByRole('dialog', { name: /29 February 2024/ });
  await expect(day.getByRole('link', { name: 'A day that is rare' })).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press('Escape');
  await expect(day).toBeHidden();
  const expectFocus = (name: RegExp) => expect(page.getByRole('button', { name })).toBeFocused();
  await expectFocus(/29 February 2024/);
  await page.keyboard.press('ArrowRight');
  await expectFocus(/ 1 March 2024/);
  await page.keyboard.press('ArrowDown');
  await expectFocus(/ 8 March 2024/);
  await page.keyboard.press('PageDown');
  await expectFocus(/ 8 April 2024/);
  await page.keyboard.press('End');
  await expectFocus(/Sunday.* 14 April 2024/);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog').getByRole('link', { name: 'Write an entry for this day' })).toHaveAttribute(
    'href',
    '/write?date=2024-04-14',
  );
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: '2023' }).click();
  await expect(page).toHaveURL('/calendar/2023');
  await expect(page.getByText('0 entries on 0 days')).toBeVisible();
});

test('the calendar offers to write an entry for a day', async ({ page, user }) => {
  await createEntry(user, '2024-02-29', { content: 'one' });
  await signIn(page, user);
  await page.goto('/calendar/2024');
  await expect(page.getByText('1 entry on 1 day, 1 word')).toBeVisible();
  await page.getByRole('button', { name: /14 April 2024/ }).click();
  await page.getByRole('link', { name: 'Write an entry for this day' }).click();
  await expect(page.locator('.when')).toContainText('14 April 2024');
  await page.getByRole('textbox', { name: 'Text' }).click();
  await page.keyboard.type('Late, but written.');
  await expect(page.getByText(/^Saved at/)).toBeVisible({ timeout: 20_000 });
  const [newest] = await user.api('GET', '/api/journals/');
  expect(newest).toMatchObject({ content: 'Late, but written.', entry_date: expect.stringMatching(/^2024-04-1[34]T/) });
});

test('“On this day” shows entries of past years', async ({ page, user }) => {
  await createEntry(user, daysAgo(0, 1), { title: 'Last year', content: 'cold' });
  await createEntry(user, daysAgo(0, 3), { title: 'Long ago', content: 'warm' });
  await signIn(page, user);
  await page.goto('/on-this-day');
  await expect(page.getByRole('heading', { level: 2 })).toHaveText([/^1 year ago/, /^3 years ago/]);
  await expect(row(page, 'Long ago')).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'on-this-day');
  await page.getByRole('button', { name: 'The day after' }).click();
  await expect(page.getByText('No memories of this day yet')).toBeVisible();
});

test('“On this day” keeps the chosen day after a visit to an entry and after a reload', async ({ page, user }) => {
  await createEntry(user, daysAgo(1, 1), { title: 'The day before', content: 'cold' });
  await createEntry(user, daysAgo(0, 1), { title: 'The very day', content: 'warm' });
  await signIn(page, user);
  await page.goto('/on-this-day');
  await page.getByRole('button', { name: 'The day before' }).click();
  await expect(row(page, 'The day before')).toBeVisible();
  const chosen = `/on-this-day?day=${daysAgo(1).slice(5)}`;
  await expect(page).toHaveURL(chosen);
  await page.getByRole('link', { name: 'The day before' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'The day before' })).toBeVisible();
  await page.goBack();
  await expect(row(page, 'The day before')).toBeVisible();
  await page.reload();
  await expect(row(page, 'The day before')).toBeVisible();
  // One click goes back to today.
  await page.getByRole('button', { name: 'The day after' }).click();
  await expect(row(page, 'The very day')).toBeVisible();
  await expect(page).toHaveURL('/on-this-day');
  for (const nonsense of ['13-45', '02-30', 'x', '2026-11-24']) {
    await page.goto(`/on-this-day?day=${nonsense}`);
    await expect(row(page, 'The very day')).toBeVisible();
  }
  await page.goto(chosen);
  await expect(row(page, 'The day before')).toBeVisible();
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'On this day' }).click();
  await expect(row(page, 'The very day')).toBeVisible();
});

test('a page that stays open past midnight shows the new day when the user returns', async ({ page, user }) => {
  await signIn(page, user);
  await page.clock.setFixedTime('2026-12-31T22:30:00Z');
  const returnToTab = () => page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  const day = page.locator('main').getByRole('status');
  await page.goto('/on-this-day');
  await expect(day).toHaveText('31 December');
  await page.clock.setFixedTime('2027-01-01T05:30:00Z');
  await returnToTab();
  await expect(day).toHaveText('1 January');
  // The day also crosses the turn of the year, and a day that the user chose stays.
  await page.getByRole('button', { name: 'The day before' }).click();
  await expect(day).toHaveText('31 December');
  await page.clock.setFixedTime('2027-01-02T05:30:00Z');
  await returnToTab();
  await page.getByRole('button', { name: 'The day after' }).click();
  await expect(day).toHaveText('1 January');
  await page.getByRole('button', { name: 'The day after' }).click();
  await expect(day).toHaveText('2 January');
  await expect(page).toHaveURL('/on-this-day');

  await createEntry(user, '2027-01-02', { content: 'some words' });
  await page.goto('/statistics');
  const written = (days: number) => page.getByRole('img', { name: `Written on ${days} of the last 70 days` });
  await expect(written(1)).toBeVisible();
  await page.clock.setFixedTime('2027-04-01T05:30:00Z');
  await returnToTab();
  await expect(written(0)).toBeVisible();
});

test('statistics show charts with text alternatives', async ({ page, user }) => {
  for (const days of [0, 1, 2, 40, 400]) await createEntry(user, daysAgo(days), { content: 'some words of a day' });
  await signIn(page, user);
  await page.goto('/statistics');
  await expect(page.locator('dl')).toContainText(/entries\s*5/);
  await expect(page.locator('dd').nth(3)).toHaveText('3');
  await expect(page.getByRole('table', { name: 'Entries by month' })).toContainText('entries');
  await expect(page.getByRole('img', { name: 'Written on 4 of the last 70 days' })).toBeVisible();
  await expectAccessible(page);
  await pictures(page, 'statistics');
});

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
