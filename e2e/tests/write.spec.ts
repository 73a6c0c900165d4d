/** Writing: the editor, its toolbar, and the tags and date of an entry. */

import { appendText, editor, entries, newEntry, saved, tags, title, writeNewEntry } from '../support/writing';
import { expect, expectAccessible, pictures, signIn, test } from '../support/test';

test('text is saved automatically and is there after a reload @main', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/write');
  await expect(editor(page)).toBeFocused();
  await expectAccessible(page);
  await pictures(page, 'write-empty');
  await title(page).fill('An evening 🌙 שלום');
  await title(page).press('Enter');
  await expect(editor(page)).toBeFocused();
  await page.keyboard.type('We sat **outside**.\n- one\ntwo');
  await tags(page).fill('garden');
  await tags(page).press('Enter');
  await expect(saved(page)).toBeVisible();
  await expect(page.getByText('8 words')).toBeVisible();
  await expectAccessible(page);

  const [entry] = await entries(user);
  expect(entry).toMatchObject({
    title: 'An evening 🌙 שלום',
    content: 'We sat **outside**.\n- one\n- two',
    entry_zone: 'Europe/Berlin',
  });
  expect(entry.tags.map(({ name }: { name: string }) => name)).toEqual(['garden']);

  await page.reload();
  await expect(title(page)).toHaveValue('An evening 🌙 שלום');
  await expect(editor(page)).toContainText('- two');
  await page.getByRole('button', { name: 'Preview' }).click();
  await expect(page.locator('.markdown strong')).toHaveText('outside');
  await page.getByRole('button', { name: 'Keep writing' }).click();
  await appendText(page, '\n');
  await expect(saved(page)).toBeVisible();
  expect(await entries(user)).toHaveLength(1);
});

test('a user who starts with the title stays there when the text editor has loaded', async ({ page, user }) => {
  await signIn(page, user);
  let load = () => {};
  const loading = new Promise<void>((resolve) => (load = resolve));
  await page.route('**/assets/TextEditor-*.js', async (route) => {
    await loading;
    await route.continue();
  });
  await page.goto('/write');
  await title(page).click();
  await page.keyboard.type('An even');
  load();
  await expect(editor(page)).toBeVisible();
  await page.keyboard.type('ing');
  await expect(title(page)).toHaveValue('An evening');
  await expect(saved(page)).toBeVisible();
  expect(await entries(user)).toMatchObject([{ title: 'An evening', content: '' }]);
});

test('bold by key, headings from the toolbar, and undo', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/write');
  await editor(page).click();
  await page.keyboard.type('plain ');
  await page.keyboard.press('Control+b');
  await page.keyboard.type('bold');
  await expect(editor(page)).toHaveText('plain **bold**');
  await page.getByRole('button', { name: 'Heading' }).click();
  await expect(editor(page)).toHaveText('# plain **bold**');
  await page.keyboard.press('Control+z');
  await expect(editor(page)).toHaveText('plain **bold**');
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(editor(page)).not.toHaveText('plain **bold**');
  await page.getByRole('button', { name: 'Redo' }).click();
  await expect(editor(page)).toHaveText('plain **bold**');

  const bar = page.getByRole('toolbar', { name: 'Formatting' });
  await bar.getByRole('button', { name: 'Heading' }).focus();
  await page.keyboard.press('ArrowRight');
  await expect(bar.getByRole('button', { name: 'Bold' })).toBeFocused();
  await page.keyboard.press('End');
  await expect(bar.getByRole('button', { name: 'Redo' })).toBeFocused();
});

test('input methods and assistive technology reach the text in its shadow root', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/write');
  await expect(editor(page)).toBeFocused();
  const browser = await page.context().newCDPSession(page);
  await browser.send('Input.imeSetComposition', { text: 'に', selectionStart: 1, selectionEnd: 1 });
  await browser.send('Input.imeSetComposition', { text: 'にほん', selectionStart: 3, selectionEnd: 3 });
  await expect(editor(page)).toHaveText('にほん');
  await browser.send('Input.insertText', { text: '日本' });
  await expect(editor(page)).toHaveText('日本');
  // The accessibility tree, which the browser exposes to screen readers.
  const { nodes } = await browser.send('Accessibility.getFullAXTree');
  const text = nodes.find(({ role, name }) => role?.value === 'textbox' && name?.value === 'Text');
  const about = Object.fromEntries((text?.properties ?? []).map(({ name, value }) => [name, value.value]));
  expect(about).toMatchObject({ multiline: true, focused: true });
  expect(text?.value?.value).toContain('日本');
  await expect(saved(page)).toBeVisible();
  expect((await entries(user))[0].content).toBe('日本');
});

test('each line has the direction of its words, and a task can be ticked', async ({ page, user }) => {
  await signIn(page, user);
  await writeNewEntry(page, 'left to right\nמימין לשמאל\n- [ ] water the roses');
  const lines = editor(page).locator('.cm-line');
  expect(await lines.evaluateAll((all) => all.map((line) => getComputedStyle(line).direction))).toEqual([
    'ltr',
    'rtl',
    'ltr',
  ]);
  await editor(page).locator('.task').click();
  await expect(lines.nth(2)).toHaveText('- [x] water the roses');
});

test('date, time and time zone can be chosen', async ({ page, user }) => {
  await signIn(page, user);
  const id = await writeNewEntry(page, 'In Tokyo');
  await page.locator('.entry-date > button').click();
  await page.getByLabel('Day').fill('2026-03-01');
  await page.getByLabel('Time', { exact: true }).fill('23:15');
  await page.getByLabel('Time zone').selectOption('Asia/Tokyo');
  await expectAccessible(page);
  await expect(saved(page)).toBeVisible();
  await expect.poll(async () => (await entries(user))[0].entry_zone).toBe('Asia/Tokyo');
  expect((await user.api('GET', `/api/journals/${id}`)).entry_date).toBe('2026-03-01T14:15:00Z');
});

test('tags are typed, picked and removed by keyboard, up to a hundred', async ({ page, user }) => {
  for (const name of ['Garden', 'Gardening', 'Work']) await user.api('POST', '/api/tags/', { name });
  await signIn(page, user);
  const id = await writeNewEntry(page, 'tagged');
  await tags(page).fill('gard');
  await expect(page.getByRole('option')).toHaveText(['Garden', 'Gardening', 'New tag “gard”']);
  await expectAccessible(page);
  await tags(page).press('ArrowDown');
  await tags(page).press('ArrowDown');
  await tags(page).press('Enter');
  await tags(page).fill('GARDENING');
  await tags(page).press('Enter');
  await expect(page.getByText('GARDENING is already there.')).toBeVisible();
  await tags(page).press('Backspace');
  await expect(page.getByRole('button', { name: /^Remove/ })).toHaveCount(0);

  await tags(page).fill(Array.from({ length: 100 }, (_, n) => `tag ${n}`).join(','));
  await tags(page).fill('one more');
  await tags(page).press('Enter');
  await expect(page.getByText('An entry can have up to')).toBeVisible();
  await expect(page.getByRole('button', { name: /^Remove/ })).toHaveCount(100);
  await expect(saved(page)).toBeVisible();
  expect((await user.api('GET', `/api/journals/${id}`)).tags).toHaveLength(100);
});

test('an empty page offers a prompt and a template', async ({ page, user }) => {
  await user.api('PUT', '/api/users/me', {
    preferences: { prompts: true, templates: [{ id: 'a', name: 'Evening', content: '## Good\n\n## Hard\n' }] },
  });
  await signIn(page, user);
  await page.goto('/write');
  await page.getByRole('button', { name: 'Evening' }).click();
  await expect(editor(page)).toContainText('## Hard');
  await expect(page.getByRole('button', { name: 'Evening' })).toHaveCount(0);
  await page.keyboard.press('Control+z');
  await page.getByRole('button', { name: 'Write about this' }).click();
  await expect(editor(page)).toContainText(/^> .+\?/);
});

test('an entry of a megabyte can be edited', async ({ page, user }) => {
  const text = Array.from(
    { length: 14_000 },
    (_, line) => `Line ${line} of a very long day, with some **bold** words and more of them in it`,
  )
    .join('\n')
    .slice(0, 1_000_000);
  const id = await newEntry(user, text);
  await signIn(page, user);
  await page.goto(`/entries/${id}/edit`);
  await appendText(page, '\nThe end.');
  await expect(editor(page)).toContainText('The end.');
  await expect(saved(page)).toBeVisible();
  expect((await user.api('GET', `/api/journals/${id}`)).content).toBe(`${text}\nThe end.`);
  await appendText(page, ' more'.repeat(12_000));
  await expect(page.getByText('The text is too long.')).toBeVisible();
  await page.keyboard.press('Control+z');
  await expect(saved(page)).toBeVisible();
});

test('the editor reports an unknown entry', async ({ page, user }) => {
  await signIn(page, user);
  await page.goto('/entries/01935b2f-0000-7000-8000-000000000000/edit');
  await expect(page.getByText('Entry not found')).toBeVisible();
  await page.getByRole('link', { name: 'Write' }).last().click();
  await expect(editor(page)).toBeVisible();
});
