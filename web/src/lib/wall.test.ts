import { describe, expect, test } from 'vitest';

import { instantOf, wallOf, zones } from './wall';

describe('the clock on the wall', () => {
  test.each([
    ['2026-11-25T22:40:00.000Z', 'Europe/Berlin', '2026-11-25', '23:40'],
    ['2026-06-25T22:40:00.000Z', 'Europe/Berlin', '2026-06-26', '00:40'],
    ['2026-11-25T22:40:00.000Z', 'Asia/Kolkata', '2026-11-26', '04:10'],
    ['2026-11-25T22:40:00.000Z', 'America/St_Johns', '2026-11-25', '19:10'],
    ['1623-03-01T12:00:00.000Z', 'UTC', '1623-03-01', '12:00'],
  ])('%s in %s', (instant, zone, day, time) => {
    expect(wallOf(instant, zone)).toEqual({ day, time });
    expect(instantOf({ day, time }, zone)).toBe(instant);
  });

  test('hours that the change of clocks leaves out or repeats', () => {
    expect(instantOf({ day: '2026-03-29', time: '02:30' }, 'Europe/Berlin')).toBe('2026-03-29T01:30:00.000Z');
    expect(instantOf({ day: '2026-10-25', time: '02:30' }, 'Europe/Berlin')).toBe('2026-10-25T00:30:00.000Z');
    expect(instantOf({ day: '2026-10-25', time: '12:00' }, 'Europe/Berlin')).toBe('2026-10-25T11:00:00.000Z');
  });

  test('half an hour of summer time, and the first zone to have a new year', () => {
    expect(instantOf({ day: '2026-10-04', time: '02:15' }, 'Australia/Lord_Howe')).toBe('2026-10-03T15:45:00.000Z');
    expect(instantOf({ day: '2026-01-01', time: '00:00' }, 'Pacific/Kiritimati')).toBe('2025-12-31T10:00:00.000Z');
  });

  test('what is no date is none', () => {
    expect(instantOf({ day: '', time: '12:00' }, 'UTC')).toBeNull();
    expect(instantOf({ day: '2026-02-31', time: '12:00' }, 'UTC')).toBeNull();
  });

  test('the zone of an entry can always be chosen', () => {
    expect(zones('Europe/Kiev')).toContain('Europe/Kiev');
    expect(zones('UTC')).toContain('Asia/Tokyo');
  });
});
