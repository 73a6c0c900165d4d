import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { instantOf, type LocalDateTime, localDateTime, zones } from './zoned-time';

describe('local time', () => {
  test.each([
    ['2026-11-25T22:40:00.000Z', 'Europe/Berlin', '2026-11-25', '23:40'],
    ['2026-06-25T22:40:00.000Z', 'Europe/Berlin', '2026-06-26', '00:40'],
    ['2026-11-25T22:40:00.000Z', 'Asia/Kolkata', '2026-11-26', '04:10'],
    ['2026-11-25T22:40:00.000Z', 'America/St_Johns', '2026-11-25', '19:10'],
    ['1623-03-01T12:00:00.000Z', 'UTC', '1623-03-01', '12:00'],
  ])('%s in %s', (instant, zone, day, time) => {
    expect(localDateTime(instant, zone)).toEqual({ day, time });
    expect(instantOf({ day, time }, zone)).toBe(instant);
  });

  test('hours that a clock change skips or repeats', () => {
    expect(instantOf({ day: '2026-03-29', time: '02:30' }, 'Europe/Berlin')).toBe('2026-03-29T01:30:00.000Z');
    expect(instantOf({ day: '2026-10-25', time: '02:30' }, 'Europe/Berlin')).toBe('2026-10-25T00:30:00.000Z');
    expect(instantOf({ day: '2026-10-25', time: '12:00' }, 'Europe/Berlin')).toBe('2026-10-25T11:00:00.000Z');
  });

  test('daylight saving of half an hour, and the first zone to reach a new year', () => {
    expect(instantOf({ day: '2026-10-04', time: '02:15' }, 'Australia/Lord_Howe')).toBe('2026-10-03T15:45:00.000Z');
    expect(instantOf({ day: '2026-01-01', time: '00:00' }, 'Pacific/Kiritimati')).toBe('2025-12-31T10:00:00.000Z');
  });

  test('an invalid date is rejected', () => {
    expect(instantOf({ day: '', time: '12:00' }, 'UTC')).toBeNull();
    expect(instantOf({ day: '2026-02-31', time: '12:00' }, 'UTC')).toBeNull();
  });

  test('the time zone of an entry can always be selected', () => {
    expect(zones('Europe/Kiev')).toContain('Europe/Kiev');
    expect(zones('UTC')).toContain('Asia/Tokyo');
  });
});

describe('in every time zone', () => {
  const MINUTE = 60_000;
  const HOUR = 60 * MINUTE;
  /** All offsets have been whole quarters of an hour since 1979, when Kiritimati abandoned -10:40. */
  const start = Date.parse('1980-01-01T00:00:00Z');
  const end = Date.parse('2100-01-01T00:00:00Z');

  const zone = fc.constantFrom(...Intl.supportedValuesOf('timeZone'));
  const anyTime = fc.integer({ min: start / MINUTE, max: end / MINUTE }).map((minutes) => minutes * MINUTE);
  const distance = fc.integer({ min: -180, max: 180 });
  /** A zone, and an instant near its next clock change after a random time, if it has one within a year. */
  const nearChange = fc.tuple(zone, anyTime, distance).map(([zone, from, minutes]) => {
    const days = Array.from({ length: 366 }, (_, day) => from + day * 24 * HOUR);
    const before = days.find((day) => offset(day, zone) !== offset(day + 24 * HOUR, zone)) ?? from;
    const hours = Array.from({ length: 24 }, (_, hour) => before + hour * HOUR);
    const change = hours.find((hour) => offset(hour, zone) !== offset(hour + HOUR, zone)) ?? before;
    return [zone, change + minutes * MINUTE] as [string, number];
  });
  const cases = fc.oneof(fc.tuple(zone, anyTime), nearChange);

  const iso = (instant: number) => new Date(instant).toISOString();
  const shown = (instant: number, zone: string) => localDateTime(iso(instant), zone);
  const asUtc = ({ day, time }: LocalDateTime) => Date.parse(`${day}T${time}:00Z`);
  const offset = (instant: number, zone: string) => asUtc(shown(instant, zone)) - instant;

  test('the instant of a local time shows that time, and is the first to show it', () => {
    const property = fc.property(cases, ([zone, instant]) => {
      const local = shown(instant, zone);
      const found = Date.parse(instantOf(local, zone)!);
      expect(shown(found, zone)).toEqual(local);
      expect(found).toBeLessThanOrEqual(instant);
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('a time that a clock change skips is interpreted with the offset before the change', () => {
    const property = fc.property(nearChange, ([zone, instant]) => {
      // The local time with the offset of three hours ago.
      const local = instant + offset(instant - 3 * HOUR, zone);
      const [day = '', time = ''] = iso(local).slice(0, 16).split('T');
      const found = Date.parse(instantOf({ day, time }, zone)!);
      const quarters = Array.from({ length: 2 * 15 * 4 + 1 }, (_, index) => local + (index - 60) * 15 * MINUTE);
      const exact = quarters.filter((instant) => asUtc(shown(instant, zone)) === local);
      if (exact.length > 0) {
        expect(found).toBe(exact[0]);
        return;
      }
      // The result is after the change, by less than the gap.
      const gap = asUtc(shown(found, zone)) - local;
      expect(gap).toBeGreaterThan(0);
      expect(local - found).toBe(offset(found - gap, zone));
    });
    fc.assert(property, { numRuns: 300 });
  });
});
