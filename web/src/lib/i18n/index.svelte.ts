/** The texts of the app in the chosen language: i18next, made reactive. */

import i18next from 'i18next';

import { recall, remember } from '../device.svelte';
import type en from './en';

/** The name of each language in that language. */
export const LANGUAGES = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof LANGUAGES;

type Texts = typeof en;
/**
 * The key of a text without its plural form: `entries_one` and `entries_other` are `entries`, `day_ordinal_two` is
 * `day`. Ordinal forms come first, because each of them would also match as a plural form of `day_ordinal`.
 */
type WithoutPlural<Name> = Name extends `${infer Stem}_ordinal_${Intl.LDMLPluralRule}`
  ? Stem
  : Name extends `${infer Stem}_${'one' | 'other'}`
    ? Stem
    : Name;
type Path<Text> = {
  [Name in keyof Text & string]: Text[Name] extends string ? WithoutPlural<Name> : `${Name}.${Path<Text[Name]>}`;
}[keyof Text & string];
/** `namespace:key` or `namespace:group.key`. i18next's own type of keys takes most of the time of a type check. */
export type Key = { [Name in keyof Texts]: `${Name}:${Path<Texts[Name]>}` }[keyof Texts];

const words = { en: () => import('./en'), de: () => import('./de') };

let language = $state<Language>('en');
/** The language that was chosen last. Its texts may still be loading. */
let latestChoice: Language;

/** The text for `namespace:key`, which reacts to a change of the language. */
export function t(key: Key, values?: Record<string, unknown>): string {
  void language;
  return i18next.t(key, values);
}

/** The language in use. */
export function locale(): Language {
  return language;
}

/** The locale of dates and numbers, for `Intl`: with the region that the browser names, if any (`en-GB`). */
export function region(): string {
  return navigator.languages.find((tag) => tag.split('-')[0] === language) ?? language;
}

export async function chooseLanguage(chosen: Language): Promise<void> {
  latestChoice = chosen;
  const { default: resources } = await words[chosen]();
  if (latestChoice !== chosen) return;
  for (const [namespace, texts] of Object.entries(resources)) {
    i18next.addResourceBundle(chosen, namespace, texts, true, true);
  }
  await i18next.changeLanguage(chosen);
  document.documentElement.lang = chosen;
  remember('sotto.language', chosen);
  language = chosen;
}

/** Uses the language that was chosen before, else the first language of the browser that the app has. */
export async function startLanguage(): Promise<void> {
  await i18next.init({
    fallbackLng: false,
    defaultNS: 'common',
    resources: {},
    // Svelte escapes texts.
    interpolation: { escapeValue: false },
  });
  const preferred = [recall('sotto.language'), ...navigator.languages.map((tag) => tag.split('-')[0])];
  const found = preferred.find((tag): tag is Language => tag != null && Object.hasOwn(LANGUAGES, tag));
  await chooseLanguage(found ?? 'en');
}
