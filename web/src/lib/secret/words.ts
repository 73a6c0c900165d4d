/** Large numbers, short times, and attempts that opened nothing, in plain words. */

import { locale, t } from '../i18n/index.svelte';

/** `100 million` for 8, and `10²⁰`, which nobody has a word for, for 20. */
export function guesses(magnitude: number): string {
  const exponent = Math.max(0, Math.floor(magnitude));
  if (exponent < 15) {
    return new Intl.NumberFormat(locale(), { notation: 'compact', compactDisplay: 'long' }).format(10 ** exponent);
  }
  return `10${[...String(exponent)].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join('')}`;
}

/** What there is to say when nothing was opened; with `retryAfter`, in seconds, as not everything could be tried. */
export function nothing(retryAfter: number | undefined): string {
  return retryAfter ? t('secret:slowed', { time: wait(retryAfter) }) : t('secret:nothing');
}

/** `40 seconds`, `2 minutes` */
function wait(seconds: number): string {
  const [value, unit] = seconds < 90 ? [seconds, 'second'] : [Math.ceil(seconds / 60), 'minute'];
  const options = { style: 'unit', unit, unitDisplay: 'long' } as const;
  return new Intl.NumberFormat(locale(), options).format(value);
}
