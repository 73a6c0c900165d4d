// @vitest-environment jsdom

import { afterEach, beforeAll, expect, test, vi } from 'vitest';

import { startLanguage } from '../i18n/index.svelte';
import { loadActivity, whatHappened } from './activity';

beforeAll(startLanguage);
afterEach(() => vi.unstubAllGlobals());

test('each page names the cursor of the next one', async () => {
  const asked: string[] = [];
  vi.stubGlobal('fetch', async ({ url }: Request) => {
    const cursor = new URL(url).searchParams.get('cursor');
    asked.push(cursor ?? 'first');
    const headers: HeadersInit = cursor ? {} : { link: '</api/users/me/activity?limit=50&cursor=older>; rel="next"' };
    return Response.json([{ id: cursor ?? '1', kind: 'signed_in', created_at: '2026-11-25T08:00:00Z' }], { headers });
  });
  const first = await loadActivity();
  expect(first.next).toBe('older');
  const second = await loadActivity(first.next);
  expect(second).toMatchObject({ events: [{ id: 'older' }], next: undefined });
  expect(asked).toEqual(['first', 'older']);
});

test('an event of an unknown kind is something else', () => {
  expect(whatHappened('api_token_deleted')).toBe('API token revoked');
  expect(whatHappened('made_up_later')).toBe('Something else');
});
