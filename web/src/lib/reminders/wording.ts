/** The schedule of a reminder in words. */

import type { Schemas } from '../api';
import { weekday } from '../days';
import { region, t } from '../i18n/index.svelte';
import { localDateTime } from '../zoned-time';
import { dayName, dayOf, readDays } from './weekdays';

export const FREQUENCIES = ['daily', 'weekdays', 'weekends', 'weekly', 'monthly', 'custom'] as const;
export type Frequency = (typeof FREQUENCIES)[number];

/** The schedule of a reminder in the API. `time` is the first day and the time of day, both in `time_zone`. */
export type Schedule = Pick<Schemas['ReminderResponse'], 'frequency' | 'time' | 'time_zone' | 'custom_days'>;

/** The schedule as a phrase, such as `Every weekday at 21:00` or `On Monday, Wednesday and Friday at 21:00`. */
export function scheduleInWords({ frequency, time, time_zone, custom_days }: Schedule): string {
  const local = localDateTime(time, time_zone);
  const values = { time: clock(local.time), count: Number(local.day.slice(8)), ordinal: true };
  switch (frequency) {
    case 'daily':
      return t('reminders:everyDayAt', values);
    case 'weekdays':
      return t('reminders:everyWeekdayAt', values);
    case 'weekends':
      return t('reminders:everyWeekendAt', values);
    case 'weekly':
      return t('reminders:onDaysAt', { ...values, days: dayName(dayOf(weekday(local.day))) });
    case 'monthly':
      return t(values.count > 28 ? 'reminders:lateEveryMonthAt' : 'reminders:everyMonthAt', values);
    case 'custom':
      return t('reminders:onDaysAt', { ...values, days: listed(readDays(custom_days).map((day) => dayName(day))) });
  }
}

/** One of the next times. `moved`: a change of the clocks gives it another time of day than the one before. */
export type Time = { instant: string; moved: boolean };

/**
 * Finds the times that a change of the clocks moves, as seen in `zone`: either the time zone of the reminder skips the
 * hour on that day, or the two zones change their clocks on different days.
 */
export function withMoves(instants: string[], schedule: Schedule, zone: string): Time[] {
  const usual = localDateTime(schedule.time, schedule.time_zone).time;
  const skipped = (instant: string) => localDateTime(instant, schedule.time_zone).time !== usual;
  const shifted = (instant: string, before: string) =>
    !skipped(before) && localDateTime(instant, zone).time !== localDateTime(before, zone).time;
  return instants.map((instant, index) => ({
    instant,
    moved: skipped(instant) || (index > 0 && shifted(instant, instants[index - 1]!)),
  }));
}

/** A time of day in the language of the app: `21:00`, `9:00 PM`. */
function clock(time: string): string {
  const format = new Intl.DateTimeFormat(region(), { timeStyle: 'short', timeZone: 'UTC' });
  return format.format(new Date(`1970-01-01T${time}:00Z`));
}

function listed(words: string[]): string {
  return new Intl.ListFormat(region(), { type: 'conjunction' }).format(words);
}
