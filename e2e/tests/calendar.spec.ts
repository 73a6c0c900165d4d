/** The calendar, “On this day”, and statistics. */

import { createEntry, daysAgo, row } from '../support/reading';
import { expect, expectAccessible, pictures, signIn, test } from '../support/test';

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
  await expect(page.locator('.entry-date')).toContainText('14 April 2024');
  await page.getByRole('textbox', { name: 'Text' }).click();
  await page.keyboard.type('Late, but written.');
  await expect(page.getByText(/^Saved at/)).toBeVisible();
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
