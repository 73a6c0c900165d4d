/** Weekdays as the API names them, and as people do. */

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof DAYS)[number];

/** A weekday in the words of a language: `Monday`, or `Mon`. */
export function dayName(day: Day, language: string, width: 'long' | 'short' = 'long'): string {
  // The fifth of January 1970 was a Monday.
  const date = new Date(Date.UTC(1970, 0, 5 + DAYS.indexOf(day)));
  return new Intl.DateTimeFormat(language, { weekday: width, timeZone: 'UTC' }).format(date);
}

/** All seven, beginning with the day on which a week begins: 1 is Monday, 7 is Sunday. */
export function weekFrom(first: number): Day[] {
  return [...DAYS.slice(first - 1), ...DAYS.slice(0, first - 1)];
}

/** On which day a week begins where this language is spoken; Monday if the browser does not know. */
export function firstDayOf(language: string): number {
  const place = new Intl.Locale(language) as Intl.Locale & {
    getWeekInfo?: () => { firstDay: number };
    weekInfo?: { firstDay: number };
  };
  return (place.getWeekInfo?.() ?? place.weekInfo)?.firstDay ?? 1;
}

/** `mon,wed` as days, in the order of the week. */
export function readDays(text: string | null | undefined): Day[] {
  const named = (text ?? '').split(',');
  return DAYS.filter((day) => named.includes(day));
}
