/** The guard, which watches all other tests, finds what it looks for. */

import { expect, expectAccessible, test } from '../support/test';

test('errors in a page are found', async ({ page, guard }) => {
  await page.goto('/login');
  await page.evaluate(async () => {
    console.error('logged by the page');
    setTimeout(() => {
      throw new Error('thrown by the page');
    });
    document.body.insertAdjacentHTML('beforeend', '<p style="color: red">styled inline</p>');
    const script = document.createElement('script');
    script.textContent = 'window.ran = true';
    document.body.append(script);
    await fetch('http://example.org/').catch(() => {});
    await fetch('/assets/missing.js');
    await fetch('/api/users/me');
  });
  const expectedErrors = [
    /logged by the page/,
    /thrown by the page/,
    /inline style/,
    /inline script/,
    /example\.org/,
    /assets\/missing\.js/,
  ];
  await expect
    .poll(() => expectedErrors.filter((pattern) => !guard.unexpectedErrors().some((fault) => pattern.test(fault))))
    .toEqual([]);
  expect(await page.evaluate(() => 'ran' in window)).toBe(false);
  guard.allow(...expectedErrors);
  expect(guard.unexpectedErrors(), '4xx responses of the API are not reported').toEqual([]);
});

test('a request to another host is reported as a third party', async ({ page, guard }) => {
  await page.route('**/login', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<img src="http://example.org/a.png">' }),
  );
  await page.goto('/login');
  await expect
    .poll(() => guard.unexpectedErrors().filter((fault) => fault.startsWith('third party')))
    .toEqual(['third party: http://example.org/a.png']);
  guard.allow(/example\.org/, /ERR_NAME_NOT_RESOLVED/);
});

test('an inaccessible form is found', async ({ page }) => {
  await page.goto('/login');
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
  await page.evaluate(() => document.querySelectorAll('label').forEach((label) => label.remove()));
  await expect(expectAccessible(page)).rejects.toThrow(/Form elements must have labels/);
});
