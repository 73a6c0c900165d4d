import { defineConfig } from '@playwright/test';

/** One worker, because tests that run in parallel would distort the measurements. */
export default defineConfig({
  testDir: '.',
  outputDir: '../results',
  workers: 1,
  // A run of Lighthouse takes about half a minute, and longer on a busy machine. There are twelve.
  timeout: 60 * 60_000,
  reporter: [['line']],
});
