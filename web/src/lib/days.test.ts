import { describe, expect, test } from 'vitest';

import { addDays, addMonths, daysInMonth, monthsOf, nearest, weekOrder, weekStartOf, weekday, weeksOf } from './days';

describe('days', () => {
  test('are added across months, years and leap days', () => {
    expect(addDays('2026-12-31', 1)).toBe('2027-01-01');
    expect(addDays('2024-02-28', 1)).toBe('2024-02-29');
    expect(addDays('2023-02-28', 1)).toBe('2023-03-01');
    expect(addDays('2100-02-28', 1)).toBe('2100-03-01');
    expect(addDays('2000-03-01', -1)).toBe('2000-02-29');
    // A clock change lies between these two days in many zones.
    expect(addDays('2026-03-28', 2)).toBe('2026-03-30');
  });

  test('moved by months stay in the target month', () => {
    expect(addMonths('2026-01-31', 1)).toBe('2026-02-28');
    expect(addMonths('2024-01-31', 1)).toBe('2024-02-29');
    expect(addMonths('2026-12-15', 1)).toBe('2027-01-15');
    expect(addMonths('2026-01-15', -1)).toBe('2025-12-15');
    expect(addMonths('2024-02-29', -12)).toBe('2023-02-28');
  });

  test('without a year are found in the nearest year', () => {
    expect(nearest('11-24', '2026-11-25')).toBe('2026-11-24');
    expect(nearest('12-31', '2026-01-01')).toBe('2025-12-31');
    expect(nearest('01-01', '2026-12-31')).toBe('2027-01-01');
    expect(nearest('02-29', '2024-03-01')).toBe('2024-02-29');
    for (const nonsense of ['', 'x', '13-45', '02-30', '2026-11-24', '1-1'])
      expect(nearest(nonsense, '2026-11-25')).toBeNull();
  });

  test('have a weekday', () => {
    expect(weekday('2026-11-25')).toBe(3);
    expect(weekday('2026-11-29')).toBe(7);
    expect(weekday('1969-12-31')).toBe(3);
  });
});

describe('months', () => {
  test.each([
    ['2026-02', 28],
    ['2024-02', 29],
    ['1900-02', 28],
    ['2000-02', 29],
    ['2026-04', 30],
    ['2026-12', 31],
    ['0004-02', 29],
  ])('%s has %i days', (month, days) => {
    expect(daysInMonth(month)).toBe(days);
    expect(weeksOf(month, 1).flat().filter(Boolean).at(-1)).toBe(`${month}-${days}`);
  });

  test('are twelve per year', () => {
    expect(monthsOf(2026)).toHaveLength(12);
    expect(monthsOf(987)[0]).toBe('0987-01');
  });

  test('are divided into whole weeks, with any first weekday', () => {
    // November 2026 begins on a Sunday, February 2027 on a Monday and has four weeks exactly.
    expect(weeksOf('2026-11', 1)[0]).toEqual([null, null, null, null, null, null, '2026-11-01']);
    expect(weeksOf('2026-11', 7)[0]![0]).toBe('2026-11-01');
    expect(weeksOf('2026-11', 6)[0]).toEqual([
      null,
      '2026-11-01',
      '2026-11-02',
      '2026-11-03',
      '2026-11-04',
      '2026-11-05',
      '2026-11-06',
    ]);
    expect(weeksOf('2027-02', 1)).toHaveLength(4);
    expect(weeksOf('2027-02', 1).flat()).not.toContain(null);
    for (const start of [1, 6, 7] as const) {
      for (const month of monthsOf(2024)) {
        const weeks = weeksOf(month, start);
        expect(weeks.flat().filter(Boolean)).toHaveLength(daysInMonth(month));
        for (const week of weeks) {
          expect(week).toHaveLength(7);
          week.forEach((day, column) => day && expect(weekday(day)).toBe(weekOrder(start)[column]));
        }
      }
    }
  });
});

test('the first weekday depends on the language', () => {
  expect(weekOrder(7)).toEqual([7, 1, 2, 3, 4, 5, 6]);
  expect(weekStartOf('de')).toBe(1);
  expect(weekStartOf('en-US')).toBe(7);
  expect(weekStartOf('en-GB')).toBe(1);
  expect(weekStartOf('ar-EG')).toBe(6);
});
