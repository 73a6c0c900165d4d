/** The words of the app, in the language that the person chose. i18next does the work; this makes it reactive. */

import i18next, { type ParseKeys, type TOptions } from 'i18next';

import { recall, remember } from '../device.svelte';
import type en from './en';

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'common';
    resources: typeof en;
  }
}

/** Each language in its own words. */
export const LANGUAGES = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof LANGUAGES;
type Namespace = keyof typeof en;
export type Key = ParseKeys<Namespace[]>;

const words = { en: () => import('./en'), de: () => import('./de') };

let language = $state<Language>('en');
/** The one that was chosen last: its words may still be on their way. */
let wanted: Language;

/** The text for `namespace:key`; it changes with the language wherever it is used. */
export function t(key: Key, options?: TOptions): string {
  void language;
  return i18next.t(key as never, options as never) as unknown as string;
}

/** The language in use. */
export function locale(): Language {
  return language;
}

/** How dates and numbers are written, for `Intl`: as where the person lives, if the browser names a place (`en-GB`). */
export function region(): string {
  return navigator.languages.find((tag) => tag.split('-')[0] === language) ?? language;
}

export async function chooseLanguage(chosen: Language): Promise<void> {
  wanted = chosen;
  const { default: resources } = await words[chosen]();
  if (wanted !== chosen) return;
  for (const [namespace, texts] of Object.entries(resources)) {
    i18next.addResourceBundle(chosen, namespace, texts, true, true);
  }
  await i18next.changeLanguage(chosen);
  document.documentElement.lang = chosen;
  remember('sotto.language', chosen);
  language = chosen;
}

/** The language chosen before, else the first that the browser asks for and we have. */
export async function startLanguage(): Promise<void> {
  await i18next.init({
    fallbackLng: false,
    defaultNS: 'common',
    resources: {},
    // Svelte escapes what it shows.
    interpolation: { escapeValue: false },
  });
  const asked = [recall('sotto.language'), ...navigator.languages.map((tag) => tag.split('-')[0])];
  const found = asked.find((tag): tag is Language => tag != null && Object.hasOwn(LANGUAGES, tag));
  await chooseLanguage(found ?? 'en');
}
