/** Holds the build to how much JavaScript a person loads before they have signed in. */

import { gzipSync } from 'node:zlib';

import type { Plugin, Rolldown } from 'vite';

/** Bytes by gzip, at most. */
const BUDGET = 120_000;
/** Where the app starts; the service worker comes after the sign-in. */
const START = /\/index\.html$/;
/** What is loaded on demand before the sign-in; of the languages, the largest counts. */
const PAGES = /\/src\/pages\/(Login|SignUp)\.svelte$/;
const LANGUAGES = /\/src\/lib\/i18n\/[^/]+\/index\.ts$/;

/** Fails a build that is over the budget, and says how much it is. */
export function budget(): Plugin {
  return {
    name: 'sotto:budget',
    apply: 'build',
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk');
      const at = (module: RegExp) => chunks.filter(({ facadeModuleId }) => module.test(facadeModuleId ?? ''));
      const first = [...at(START), ...at(PAGES)];
      const languages = at(LANGUAGES);
      if (first.length !== 3 || languages.length === 0) this.error('The pages before the sign-in, or the languages, have moved: see vite/budget.ts.');
      const bytes = Math.max(...languages.map((language) => size(bundle, [...first, language])));
      const said = `JavaScript before the sign-in: ${(bytes / 1000).toFixed(1)} kB by gzip, at most ${BUDGET / 1000} kB`;
      if (bytes > BUDGET) this.error(said);
      this.info(said);
    },
  };
}

/** The size of these chunks and all that they import. */
function size(bundle: Rolldown.OutputBundle, from: Rolldown.OutputChunk[]): number {
  const seen = new Set(from);
  for (const chunk of seen) {
    for (const name of chunk.imports) {
      const file = bundle[name];
      if (file?.type === 'chunk') seen.add(file);
    }
  }
  return [...seen].reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0);
}
