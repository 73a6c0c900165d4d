import { svelte } from '@sveltejs/vite-plugin-svelte';
import { compression, defineAlgorithm } from 'vite-plugin-compression2';
import { defineConfig } from 'vitest/config';

// The server whose API the development server passes on; see README.md.
const server = process.env.SOTTO_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  // Compressed once here, rather than at each request: the server sends what lies beside a file.
  plugins: [svelte(), compression({ algorithms: [defineAlgorithm('brotliCompress'), defineAlgorithm('gzip', { level: 9 })], threshold: 1000 })],
  // The policy of the server allows no data: addresses, so nothing is inlined as one.
  build: { target: 'es2023', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  worker: { format: 'es' },
  server: { proxy: { '/api': server, '/health': server } },
  test: { include: ['src/**/*.test.ts', 'packages/**/*.test.ts'] },
});
