/** Lengths and speeds of recordings in words. */

import { locale } from '../i18n/index.svelte';

/** `0:07`, `12:05`, `1:02:03` */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** `1 hour, 2 minutes`, `12 minutes, 5 seconds`, `0 seconds`: for screen readers. */
export function spokenDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(whole / 3600), 'hour'],
    [Math.floor(whole / 60) % 60, 'minute'],
    [whole % 60, 'second'],
  ] as const;
  const shown = parts.filter(([value]) => value > 0);
  const inWords = (value: number, unit: string) =>
    new Intl.NumberFormat(locale(), { style: 'unit', unit, unitDisplay: 'long' }).format(value);
  const words = (shown.length > 0 ? shown : parts.slice(-1)).map(([value, unit]) => inWords(value, unit));
  return new Intl.ListFormat(locale(), { type: 'unit', style: 'long' }).format(words);
}

/** `1.5×` */
export const formatSpeed = (value: number) => `${new Intl.NumberFormat(locale()).format(value)}×`;
