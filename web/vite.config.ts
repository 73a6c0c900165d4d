import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// The server whose API the development server passes on; see README.md.
const server = process.env.SOTTO_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte()],
  // The policy of the server allows no data: addresses, so nothing is inlined as one.
  build: { target: 'es2023', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  worker: { format: 'es' },
  server: { proxy: { '/api': server, '/health': server } },
  test: { include: ['src/**/*.test.ts', 'packages/**/*.test.ts'] },
});
