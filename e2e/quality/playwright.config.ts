import { defineConfig } from '@playwright/test';

/** One worker, because tests that run in parallel would distort the measurements. */
export default defineConfig({
  testDir: '.',
  outputDir: '../results',
  workers: 1,
  timeout: 0,
  reporter: [['line']],
});
