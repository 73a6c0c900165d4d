/** Reminders in plain words. */

import type { Schemas } from '../api';
import { weekday } from '../days';
import { region, t } from '../i18n/index.svelte';
import { wallOf } from '../wall';
import { dayName, dayOf, readDays } from './days';

export const FREQUENCIES = ['daily', 'weekdays', 'weekends', 'weekly', 'monthly', 'custom'] as const;
export type Frequency = (typeof FREQUENCIES)[number];

/** When a reminder is due, as the API has it. `time` is its first day and its time of day, both in `time_zone`. */
export type Schedule = Pick<Schemas['ReminderResponse'], 'frequency' | 'time' | 'time_zone' | 'custom_days'>;

/** `Every weekday at 21:00`, `On Monday, Wednesday and Friday at 21:00`. */
export function inWords({ frequency, time, time_zone, custom_days }: Schedule): string {
  const wall = wallOf(time, time_zone);
  const values = { time: clock(wall.time), count: Number(wall.day.slice(8)), ordinal: true };
  switch (frequency) {
    case 'daily':
      return t('reminders:everyDayAt', values);
    case 'weekdays':
      return t('reminders:everyWeekdayAt', values);
    case 'weekends':
      return t('reminders:everyWeekendAt', values);
    case 'weekly':
      return t('reminders:onDaysAt', { ...values, days: dayName(dayOf(weekday(wall.day))) });
    case 'monthly':
      return t(values.count > 28 ? 'reminders:lateEveryMonthAt' : 'reminders:everyMonthAt', values);
    case 'custom':
      return t('reminders:onDaysAt', { ...values, days: listed(readDays(custom_days).map((day) => dayName(day))) });
  }
}

/** One of the next times: `moved` if a change of the clocks gives it another time of day than before. */
export type Time = { instant: string; moved: boolean };

/**
 * Which of the next times a change of the clocks moves, as they are read in `zone`: because the reminder's own clock
 * skips its hour that day, or because the two zones do not change on the same day.
 */
export function withMoves(instants: string[], schedule: Schedule, zone: string): Time[] {
  const usual = wallOf(schedule.time, schedule.time_zone).time;
  const skipped = (instant: string) => wallOf(instant, schedule.time_zone).time !== usual;
  const shifted = (instant: string, before: string) =>
    !skipped(before) && wallOf(instant, zone).time !== wallOf(before, zone).time;
  return instants.map((instant, index) => ({
    instant,
    moved: skipped(instant) || (index > 0 && shifted(instant, instants[index - 1]!)),
  }));
}

/** A time of day as people of this language write it: `21:00`, `9:00 PM`. */
function clock(time: string): string {
  const format = new Intl.DateTimeFormat(region(), { timeStyle: 'short', timeZone: 'UTC' });
  return format.format(new Date(`1970-01-01T${time}:00Z`));
}

function listed(words: string[]): string {
  return new Intl.ListFormat(region(), { type: 'conjunction' }).format(words);
}
