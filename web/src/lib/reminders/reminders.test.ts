import { beforeAll, describe, expect, test, vi } from 'vitest';

vi.stubGlobal('document', { documentElement: {} });
vi.stubGlobal('navigator', { languages: ['en'] });

const { readDays } = await import('./weekdays');

test('weekdays are parsed into the order of the week', () => {
  expect(readDays('wed,mon')).toEqual(['mon', 'wed']);
  expect(readDays(null)).toEqual([]);
});

describe('the description of a reminder', () => {
  let wording: typeof import('./wording');
  let language: typeof import('../i18n/index.svelte');
  beforeAll(async () => {
    language = await import('../i18n/index.svelte');
    wording = await import('./wording');
    await language.startLanguage();
  });

  const inWordsAt = (frequency: string, time: string, custom_days: string | null = null) =>
    wording.scheduleInWords({ frequency: frequency as 'daily', time, time_zone: 'Europe/Berlin', custom_days });

  test('is in English', async () => {
    await language.chooseLanguage('en');
    expect(inWordsAt('daily', '2026-11-25T20:00:00Z')).toBe('Every day at 9:00 PM');
    expect(inWordsAt('weekdays', '2026-11-25T20:00:00Z')).toBe('Every weekday at 9:00 PM');
    expect(inWordsAt('weekends', '2026-11-25T20:00:00Z')).toBe('On Saturdays and Sundays at 9:00 PM');
    // 23:30 UTC on a Wednesday is Thursday in Berlin.
    expect(inWordsAt('weekly', '2026-11-25T23:30:00Z')).toBe('On Thursday at 12:30 AM');
    expect(inWordsAt('monthly', '2026-11-22T20:00:00Z')).toBe('On the 22nd of each month at 9:00 PM');
    expect(inWordsAt('monthly', '2026-11-11T20:00:00Z')).toBe('On the 11th of each month at 9:00 PM');
    expect(inWordsAt('monthly', '2026-12-31T20:00:00Z')).toBe(
      'On the 31st of each month, or on its last day, at 9:00 PM',
    );
    expect(inWordsAt('custom', '2026-11-25T20:00:00Z', 'mon,wed,fri')).toBe(
      'On Monday, Wednesday, and Friday at 9:00 PM',
    );
  });

  test('is in German', async () => {
    await language.chooseLanguage('de');
    expect(inWordsAt('weekdays', '2026-11-25T20:00:00Z')).toBe('An jedem Werktag um 21:00');
    expect(inWordsAt('monthly', '2026-12-31T20:00:00Z')).toBe('Am 31. jedes Monats, sonst am letzten Tag, um 21:00');
    expect(inWordsAt('custom', '2026-11-25T20:00:00Z', 'mon,wed,fri')).toBe('Am Montag, Mittwoch und Freitag um 21:00');
  });

  test('marks the times that a clock change moves', () => {
    const plan = {
      frequency: 'daily' as const,
      time: '2026-03-01T01:30:00Z',
      time_zone: 'Europe/Berlin',
      custom_days: null,
    };
    const skipped = wording.withMoves(
      ['2026-03-28T01:30:00Z', '2026-03-29T01:30:00Z', '2026-03-30T00:30:00Z'],
      plan,
      'Europe/Berlin',
    );
    expect(skipped.map(({ moved }) => moved)).toEqual([false, true, false]);
    const abroad = { ...plan, time: '2026-03-01T14:00:00Z', time_zone: 'America/New_York' };
    const shifted = wording.withMoves(
      ['2026-03-07T14:00:00Z', '2026-03-08T13:00:00Z', '2026-03-09T13:00:00Z'],
      abroad,
      'Europe/Berlin',
    );
    expect(shifted.map(({ moved }) => moved)).toEqual([false, true, false]);
  });
});
