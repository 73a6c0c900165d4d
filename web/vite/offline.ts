/** Builds the service worker with the list of the app's files. */

import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Plugin } from 'vite';

import { filesBelow } from './files.ts';

const WORKER = 'sw.js';
/** Fonts of other alphabets than the Latin one, which are cached when they are first used. */
const LATER = /-(cyrillic|greek|vietnamese|latin-ext)[^/]*\.woff2$/;

/** Builds `sw.js` from `src/lib/offline/worker.ts`. */
export function offline(): Plugin {
  return {
    name: 'sotto:offline',
    apply: 'build',
    config: () => ({
      build: {
        rolldownOptions: {
          input: { index: 'index.html', worker: 'src/lib/offline/worker.ts' },
          output: { entryFileNames: ({ name }) => (name === 'worker' ? WORKER : 'assets/[name]-[hash].js') },
        },
      },
    }),
    writeBundle: {
      order: 'post',
      async handler({ dir = 'dist' }, bundle) {
        const chunk = bundle[WORKER];
        if (chunk?.type !== 'chunk' || chunk.imports.length)
          this.error(`${WORKER} must be one script, without imports`);
        const names = (await filesBelow(dir)).filter((name) => name !== WORKER && !LATER.test(name));
        const worker = await readFile(join(dir, WORKER), 'utf8');
        const hash = createHash('sha256').update(worker);
        for (const name of names) hash.update(name).update(await readFile(join(dir, name)));
        const version = hash.digest('hex').slice(0, 16);
        const files = names.map((name) => `/${name}`);
        await writeFile(
          join(dir, WORKER),
          `const VERSION=${JSON.stringify(version)},FILES=${JSON.stringify(files)};\n${worker}`,
        );
      },
    },
  };
}
