/** Estimates how hard a phrase is to guess, by zxcvbn with the dictionaries of both languages of the app. */

import type { ZxcvbnFactory } from '@zxcvbn-ts/core';

import { ADVICE } from './strength-advice';

export type Strength = {
  /** The estimated number of guesses, as a logarithm to base 10. */
  magnitude: number;
  level: 'weak' | 'fair' | 'strong';
  /** Why the phrase is weak and what would help, in `language`. */
  advice: string[];
};

/**
 * With fewer guesses than FAIR, an attacker who has stolen the server's disk finds the passphrase. From STRONG on,
 * nobody does.
 */
const FAIR = 10;
const STRONG = 14;

/** @param known words that an attacker who knows the user would try first */
export async function estimateStrength(phrase: string, language: 'en' | 'de', known: string[]): Promise<Strength> {
  const { guessesLog10: magnitude, feedback } = (await estimator(language)).check(phrase, known);
  const level = magnitude < FAIR ? 'weak' : magnitude < STRONG ? 'fair' : 'strong';
  const advice = level === 'weak' ? [feedback.warning, ...feedback.suggestions].filter((text) => text != null) : [];
  return { magnitude, level, advice };
}

const estimators = new Map<string, Promise<ZxcvbnFactory>>();

/** The dictionaries are large, so they are loaded only when a phrase is chosen. */
function estimator(language: 'en' | 'de'): Promise<ZxcvbnFactory> {
  let found = estimators.get(language);
  if (!found) estimators.set(language, (found = load(language)));
  return found;
}

async function load(language: 'en' | 'de'): Promise<ZxcvbnFactory> {
  const [{ ZxcvbnFactory }, common, en, de] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
    import('@zxcvbn-ts/language-en'),
    import('@zxcvbn-ts/language-de'),
  ]);
  return new ZxcvbnFactory({
    dictionary: { ...common.dictionary, ...en.dictionary, ...de.dictionary },
    graphs: common.adjacencyGraphs,
    translations: { ...en.translations, ...ADVICE[language] },
  });
}
