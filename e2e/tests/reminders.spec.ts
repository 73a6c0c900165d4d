/** Reminders: their rule in words, and the next five times. */

import { expect, expectAccessible, pictures, signIn, test } from '../support/test';

test('a reminder is created, edited, paused and deleted', { tag: '@main' }, async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/reminders');
  await expect(page.getByText('No reminders yet')).toBeVisible();
  // The page must not promise notifications, which do not exist yet.
  await expect(page.getByText("It doesn't send anything yet")).toBeVisible();
  await expectAccessible(page);

  await page.getByRole('button', { name: 'New reminder' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('What to remind you of').fill('رسالة 🌙');
  await dialog.getByLabel('How often').selectOption({ label: 'On chosen days' });
  await dialog.getByLabel('Wednesday').uncheck();
  await dialog.getByLabel('What time').fill('21:00');
  await dialog.getByLabel('Starting').fill('2030-11-25');
  // 25 November 2030 is a Monday, 1 December a Sunday.
  const times = dialog.locator('time');
  await expect(times).toHaveText([
    /^Monday,? 25 November 2030, 21:00\s*$/,
    /^Friday,? 29 November 2030, 21:00\s*$/,
    /^Monday,? 2 December 2030, 21:00\s*$/,
    /^Friday,? 6 December 2030, 21:00\s*$/,
    /^Monday,? 9 December 2030, 21:00\s*$/,
  ]);
  await expectAccessible(page);
  await pictures(page, 'reminder');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('On Monday and Friday at 21:00')).toBeVisible();
  expect(await user.api('GET', '/api/reminders/')).toMatchObject([
    {
      title: 'رسالة 🌙',
      frequency: 'custom',
      custom_days: 'mon,fri',
      time: '2030-11-25T20:00:00Z',
      time_zone: 'Europe/Berlin',
    },
  ]);

  await page.getByRole('button', { name: 'Edit “رسالة 🌙”' }).click();
  await expect(dialog.getByLabel('Wednesday')).not.toBeChecked();
  await dialog.getByLabel('How often').selectOption({ label: 'Every weekday, Monday to Friday' });
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Every weekday at 21:00')).toBeVisible();
  await pictures(page, 'reminders');

  await page.getByRole('switch').click();
  await expect(page.getByText('Paused')).toBeVisible();
  await page.reload();
  await expect(page.getByRole('switch')).not.toBeChecked();

  await page.getByRole('button', { name: 'Delete “رسالة 🌙”' }).click();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByText('No reminders yet')).toBeVisible();
  expect(await user.api('GET', '/api/reminders/')).toEqual([]);
});

test('the times show when a clock change moves them', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/reminders');
  await page.getByRole('button', { name: 'New reminder' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('What time').fill('02:30');
  await dialog.getByLabel('Starting').fill('2030-03-30');
  // On 31 March 2030, clocks in Berlin go forward from 02:00 to 03:00.
  const times = dialog.getByRole('listitem');
  await expect(times.nth(0)).toHaveText(/^Saturday,? 30 March 2030, 02:30\s*$/);
  await expect(times.nth(1)).toHaveText(/^Sunday,? 31 March 2030, 03:30.*the clocks change/);
  await expect(times.nth(2)).toHaveText(/^Monday,? 1 April 2030, 02:30\s*$/);

  // New York is six hours behind Berlin, and five between the clock changes of the two.
  await dialog.getByLabel('What time').fill('09:00');
  await dialog.getByLabel('Starting').fill('2030-03-09');
  await dialog.getByLabel('Time zone').fill('America/New_York');
  await expect(times.nth(0)).toHaveText(/^Saturday,? 9 March 2030, 15:00\s*$/);
  await expect(times.nth(1)).toHaveText(/^Sunday,? 10 March 2030, 14:00.*the clocks change/);
  await expect(times.nth(2)).toHaveText(/^Monday,? 11 March 2030, 14:00\s*$/);
  await expect(dialog.getByText('Shown in your time zone, Europe/Berlin.')).toBeVisible();
});

test("a switch shows the server's state after a failed change", async ({ page, user, guard }) => {
  guard.allow(/status of 503/);
  const plan = {
    title: 'Write',
    message: '',
    frequency: 'daily',
    time: '2030-11-25T20:00:00Z',
    time_zone: 'Europe/Berlin',
  };
  await user.api('POST', '/api/reminders/', plan);
  await signIn(page, user);
  await page.goto('/reminders');
  await page.route('**/api/reminders/*', (route) =>
    route.request().method() === 'PUT'
      ? route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"detail":"Busy."}' })
      : route.continue(),
  );
  await page.getByRole('switch').click();
  await expect(page.getByText('Nothing was lost')).toBeVisible();
  await expect(page.getByRole('switch')).toBeChecked();
  await page.unroute('**/api/reminders/*');
  await page.getByRole('switch').click();
  await expect(page.getByText('Paused')).toBeVisible();
  await expect(page.getByRole('switch')).not.toBeChecked();
});

test('a reminder that cannot be saved stays in the form', async ({ page, user, guard }) => {
  guard.allow(/status of 503/);
  await signIn(page, user);
  await page.goto('/reminders');
  await page.getByRole('button', { name: 'New reminder' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('What to remind you of').fill('Write');
  await page.route('**/api/reminders/', (route) =>
    route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"detail":"Busy."}' }),
  );
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog.getByRole('alert')).toContainText('Nothing was lost');
  await expect(dialog.getByLabel('What to remind you of')).toHaveValue('Write');
  await page.unroute('**/api/reminders/');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('heading', { name: 'Write' })).toBeVisible();
});
