/** Limits the JavaScript that is loaded before the sign-in. */

import { gzipSync } from 'node:zlib';

import type { Plugin, Rolldown } from 'vite';

/** The limit in bytes, compressed with gzip. */
const BUDGET = 120_000;
/** The start of the app. The service worker is loaded after the sign-in. */
const START = /\/index\.html$/;
/** Loaded on demand before the sign-in. Only the largest language counts. */
const PAGES = /\/src\/pages\/(Login|SignUp)\.svelte$/;
const LANGUAGES = /\/src\/lib\/i18n\/[^/]+\/index\.ts$/;

/** Fails a build that exceeds the limit, and logs the size. */
export function budget(): Plugin {
  return {
    name: 'sotto:budget',
    apply: 'build',
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk');
      const at = (module: RegExp) => chunks.filter(({ facadeModuleId }) => module.test(facadeModuleId ?? ''));
      const first = [...at(START), ...at(PAGES)];
      const languages = at(LANGUAGES);
      if (first.length !== 3 || languages.length === 0)
        this.error('The pages before the sign-in, or the languages, have moved: see vite/budget.ts.');
      const bytes = Math.max(...languages.map((language) => size(bundle, [...first, language])));
      const said = `JavaScript before the sign-in: ${(bytes / 1000).toFixed(1)} kB by gzip, at most ${BUDGET / 1000} kB`;
      if (bytes > BUDGET) this.error(said);
      this.info(said);
    },
  };
}

/** The size of these chunks with all their imports, compressed with gzip. */
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
