/** Figures of the database, as people read them. */

import { region } from '../i18n/index.svelte';

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** `12 kB`, `3.4 GB`: powers of a thousand, two digits at least. */
export function bytes(value: number): string {
  const power = value < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(value) / 3));
  const amount = value / 1000 ** power;
  return new Intl.NumberFormat(region(), {
    style: 'unit',
    unit: UNITS[power],
    maximumFractionDigits: power > 0 && amount < 10 ? 1 : 0,
  }).format(amount);
}

/** `0.24 ms`, `130 ms`. */
export function milliseconds(value: number): string {
  const format = { style: 'unit', unit: 'millisecond', maximumSignificantDigits: value < 100 ? 2 : 3 } as const;
  return new Intl.NumberFormat(region(), format).format(value);
}

/** `92 %`, from a number of per cent. */
export function percent(value: number): string {
  return new Intl.NumberFormat(region(), { style: 'percent', maximumFractionDigits: 1 }).format(value / 100);
}
