/** Compresses the files of a build, so that the server does not do it for each request. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

import type { Plugin } from 'vite';

import { filesBelow } from './files.ts';

/** Images and fonts are compressed already. */
const KINDS = /\.(css|html|js|json|svg|txt|wasm|webmanifest)$/;
/** Smaller files, in bytes, fit into one packet. */
const SMALLEST = 1000;

/** Adds `.br` and `.gz` files to a finished build. */
export function compress(): Plugin {
  let folder = 'dist';
  return {
    name: 'sotto:compress',
    apply: 'build',
    writeBundle({ dir }) {
      folder = dir ?? folder;
    },
    closeBundle: {
      order: 'post',
      async handler() {
        for (const name of (await filesBelow(folder)).filter((name) => KINDS.test(name))) {
          const bytes = await readFile(join(folder, name));
          if (bytes.length < SMALLEST) continue;
          const quality = {
            [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
            [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
          };
          await writeFile(join(folder, `${name}.br`), brotliCompressSync(bytes, { params: quality }));
          await writeFile(join(folder, `${name}.gz`), gzipSync(bytes, { level: 9 }));
        }
      },
    },
  };
}
