/** The number of guesses for a phrase, and a failed unlock, in words. */

import { locale, t } from '../i18n/index.svelte';

/** A power of ten: `100 million` for 8, `10²⁰` for 20. */
export function formatGuesses(magnitude: number): string {
  const exponent = Math.max(0, Math.floor(magnitude));
  if (exponent < 15) {
    return new Intl.NumberFormat(locale(), { notation: 'compact', compactDisplay: 'long' }).format(10 ** exponent);
  }
  return `10${[...String(exponent)].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join('')}`;
}

/**
 * The message for a phrase that has unlocked no tag. With `retryAfter`, in seconds, the server did not let all be
 * tried.
 */
export function notUnlockedMessage(retryAfter: number | undefined): string {
  return retryAfter ? t('secret:attemptsDelayed', { time: inWords(retryAfter) }) : t('secret:noTagUnlocked');
}

/** `40 seconds`, `2 minutes` */
function inWords(seconds: number): string {
  const [value, unit] = seconds < 90 ? [seconds, 'second'] : [Math.ceil(seconds / 60), 'minute'];
  const options = { style: 'unit', unit, unitDisplay: 'long' } as const;
  return new Intl.NumberFormat(locale(), options).format(value);
}
