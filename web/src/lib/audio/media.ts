/** Kinds of recordings, and how long and how fast they are in words. */

import { locale } from '../i18n/index.svelte';

/** What we record, the best first: Opus where a browser has it, else what Safari makes. */
const MADE = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4;codecs=opus', 'audio/mp4;codecs=mp4a.40.2', 'audio/mp4'];

/** The kind that this browser records in; undefined leaves the choice to it. */
export function typeToRecord(isSupported: (type: string) => boolean): string | undefined {
  return MADE.find(isSupported);
}

/** What the server takes, for the choice of a file. Some systems know a kind by its ending alone. */
export const ACCEPTED = 'audio/*,video/webm,.webm,.ogg,.oga,.opus,.m4a,.mp4,.mp3,.wav,.flac';

/** What a browser calls it, without parameters; nothing if it says that it is not sound at all, which the server finds out better. */
export function typeToSend(type: string): string {
  const [name = ''] = type.toLowerCase().split(';');
  return ending(name) ? name : 'application/octet-stream';
}

/** What the name of a file ends in that holds such a recording; nothing if it is not known what it is. As on the server (format.rs). */
export function ending(type: string): string {
  const [name = ''] = type.toLowerCase().split(';');
  return Object.entries(ENDINGS).find(([, names]) => names.includes(name.trim()))?.[0] ?? '';
}

/** The names of each kind, which the server compares with what it finds; of others it asks nothing. */
const ENDINGS = {
  '.webm': ['audio/webm', 'video/webm'],
  '.ogg': ['audio/ogg', 'application/ogg', 'audio/opus', 'audio/vorbis', 'video/ogg'],
  '.m4a': ['audio/mp4', 'audio/m4a', 'audio/x-m4a', 'audio/aac', 'video/mp4'],
  '.mp3': ['audio/mpeg', 'audio/mp3'],
  '.wav': ['audio/wav', 'audio/wave', 'audio/x-wav', 'audio/vnd.wave'],
  '.flac': ['audio/flac', 'audio/x-flac'],
};

/** `0:07`, `12:05`, `1:02:03` */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** `1 hour, 2 minutes`, `12 minutes, 5 seconds`, `0 seconds`: as it is read out. */
export function spoken(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(whole / 3600), 'hour'],
    [Math.floor(whole / 60) % 60, 'minute'],
    [whole % 60, 'second'],
  ] as const;
  const said = parts.filter(([value]) => value > 0);
  const inWords = (value: number, unit: string) => new Intl.NumberFormat(locale(), { style: 'unit', unit, unitDisplay: 'long' }).format(value);
  const words = (said.length > 0 ? said : parts.slice(-1)).map(([value, unit]) => inWords(value, unit));
  return new Intl.ListFormat(locale(), { type: 'unit', style: 'long' }).format(words);
}

/** `1.5×` */
export const speed = (value: number) => `${new Intl.NumberFormat(locale()).format(value)}×`;
