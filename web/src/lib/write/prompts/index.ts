/** Chooses the prompt of the day: the same on all devices, and each once before any is repeated. */

import type { Language } from '../../i18n/index.svelte';

const lists = { en: () => import('./en'), de: () => import('./de') } satisfies Record<Language, unknown>;

/** `day` as in `2026-11-25`. */
export async function promptOf(day: string, language: Language): Promise<string> {
  const { default: prompts } = await lists[language]();
  const days = Math.floor(Date.parse(`${day}T00:00:00Z`) / 86_400_000);
  return prompts[((days % prompts.length) + prompts.length) % prompts.length]!;
}
