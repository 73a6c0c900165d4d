/** Formats quantities of the database. */

import { region } from '../i18n/index.svelte';

/** `0.24 ms`, `130 ms`. */
export function milliseconds(value: number): string {
  const format = { style: 'unit', unit: 'millisecond', maximumSignificantDigits: value < 100 ? 2 : 3 } as const;
  return new Intl.NumberFormat(region(), format).format(value);
}

/** `92 %`, for 92. */
export function percent(value: number): string {
  return new Intl.NumberFormat(region(), { style: 'percent', maximumFractionDigits: 1 }).format(value / 100);
}
