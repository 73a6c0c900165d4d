/** How long a phrase would stand up to guessing, by zxcvbn with the words of both of our languages. */

import type { ZxcvbnFactory } from '@zxcvbn-ts/core';

export type Strength = {
  /** How many guesses it takes somebody who knows how people choose phrases: the logarithm to base 10. */
  magnitude: number;
  level: 'weak' | 'fair' | 'strong';
  /** What is weak about it and what would help, in the language that was asked for. */
  advice: string[];
};

/** Below, a phrase is guessed by whoever has stolen the server's disk; the second is out of reach for anybody. */
const FAIR = 10;
const STRONG = 14;

/** @param known words that somebody who knows the person would try first */
export async function judge(phrase: string, language: 'en' | 'de', known: string[]): Promise<Strength> {
  const { guessesLog10: magnitude, feedback } = (await estimator(language)).check(phrase, known);
  const level = magnitude < FAIR ? 'weak' : magnitude < STRONG ? 'fair' : 'strong';
  const advice = level === 'weak' ? [feedback.warning, ...feedback.suggestions].filter((text) => text != null) : [];
  return { magnitude, level, advice };
}

const estimators = new Map<string, Promise<ZxcvbnFactory>>();

/** The lists of words are large: they are loaded when a phrase is chosen, and not before. */
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
    translations: language === 'de' ? { ...en.translations, ...de.translations } : en.translations,
  });
}
