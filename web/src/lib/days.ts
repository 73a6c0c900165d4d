/** Arithmetic with calendar days, `2026-11-25`, months, `2026-11`, and weeks, without time zones. */

/** 1 is Monday, 7 is Sunday. */
export type Weekday = 1 | 2 | 3 | 4 | 5 | 6 | 7;

const DAY = 86_400_000;

function time(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}

function at(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}

export function addDays(day: string, days: number): string {
  return at(time(day) + days * DAY);
}

/** The day with this month and date, `11-25`, that is nearest to `day`; null if none is within a year. */
export function nearest(name: string, day: string): string | null {
  const year = Number(day.slice(0, 4));
  const distance = (one: string) => Math.abs(time(one) - time(day));
  const found = [year - 1, year, year + 1].map((one) => `${String(one).padStart(4, '0')}-${name}`).filter(isDay);
  return found.sort((a, b) => distance(a) - distance(b))[0] ?? null;
}

function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(time(text)) && at(time(text)) === text;
}

/** The same date so many months later, or the last day of that month if it is shorter. */
export function addMonths(day: string, months: number): string {
  const [year, month, date] = day.split('-').map(Number) as [number, number, number];
  const first = new Date(Date.UTC(2000, 0, 1));
  first.setUTCFullYear(year, month - 1 + months, 1);
  const target = at(first.getTime()).slice(0, 7);
  return `${target}-${String(Math.min(date, daysInMonth(target))).padStart(2, '0')}`;
}

export function weekday(day: string): Weekday {
  return (new Date(time(day)).getUTCDay() || 7) as Weekday;
}

/** The number of days in a month, `2026-11`. */
export function daysInMonth(month: string): number {
  const [year, number] = month.split('-').map(Number) as [number, number];
  const last = new Date(Date.UTC(2000, 0, 1));
  last.setUTCFullYear(year, number, 0);
  return last.getUTCDate();
}

function daysOf(month: string): string[] {
  return Array.from({ length: daysInMonth(month) }, (_, index) => `${month}-${String(index + 1).padStart(2, '0')}`);
}

/** `2026` becomes `2026-01` to `2026-12`. */
export function monthsOf(year: number): string[] {
  return Array.from(
    { length: 12 },
    (_, index) => `${String(year).padStart(4, '0')}-${String(index + 1).padStart(2, '0')}`,
  );
}

/** The weeks of a month, with seven days each; null for a day of another month. */
export function weeksOf(month: string, start: Weekday): (string | null)[][] {
  const days: (string | null)[] = daysOf(month);
  for (let before = (weekday(`${month}-01`) - start + 7) % 7; before > 0; before--) days.unshift(null);
  while (days.length % 7 !== 0) days.push(null);
  return Array.from({ length: days.length / 7 }, (_, week) => days.slice(week * 7, week * 7 + 7));
}

/** The seven weekdays in order, from `start`. */
export function weekOrder(start: Weekday): Weekday[] {
  return Array.from({ length: 7 }, (_, index) => (((start - 1 + index) % 7) + 1) as Weekday);
}

/** The first day of the week for this locale; Monday if the browser does not know it. */
export function weekStartOf(language: string): Weekday {
  type WithWeek = Intl.Locale & { getWeekInfo?: () => { firstDay: number }; weekInfo?: { firstDay: number } };
  const locale = new Intl.Locale(language) as WithWeek;
  return ((locale.getWeekInfo?.() ?? locale.weekInfo)?.firstDay ?? 1) as Weekday;
}
