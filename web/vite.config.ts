import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defaultClientConditions, defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

import { budget } from './vite/budget.ts';
import { compress } from './vite/compress.ts';
import { offline } from './vite/offline.ts';

// The server to which the development server forwards requests of the API; see README.md.
const server = process.env.SOTTO_URL ?? 'http://127.0.0.1:8080';
// With this condition, imports of packages/* resolve to their TypeScript sources instead of their compiled files, which
// may be outdated.
const source = '@sotto/source';

export default defineConfig({
  plugins: [svelte(), svelteTesting({ autoCleanup: false }), budget(), offline(), compress()],
  resolve: { conditions: [source, ...defaultClientConditions] },
  // For tests that run without a browser's globals.
  ssr: { resolve: { conditions: [source, ...defaultServerConditions] } },
  // The server's content security policy allows no `data:` addresses, so no asset is inlined.
  build: { target: 'es2023', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  worker: { format: 'es' },
  server: { proxy: { '/api': server, '/health': server } },
  // A generous limit for busy machines.
  test: { include: ['src/**/*.test.ts', 'packages/**/*.test.ts'], testTimeout: 60_000 },
});
