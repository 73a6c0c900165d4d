import { defineConfig } from '@playwright/test';

/** Measures, beside nothing else that would take its time from it. */
export default defineConfig({
  testDir: '.',
  outputDir: '../results',
  workers: 1,
  timeout: 0,
  reporter: [['line']],
});
