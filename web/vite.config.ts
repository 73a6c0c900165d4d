import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

import { budget } from './vite/budget.ts';
import { compress } from './vite/compress.ts';
import { offline } from './vite/offline.ts';

// The server whose API the development server passes on; see README.md.
const server = process.env.SOTTO_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte(), budget(), offline(), compress()],
  // The policy of the server allows no data: addresses, so nothing is inlined as one.
  build: { target: 'es2023', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  worker: { format: 'es' },
  server: { proxy: { '/api': server, '/health': server } },
  test: { include: ['src/**/*.test.ts', 'packages/**/*.test.ts'] },
});
