import { defineConfig } from '@playwright/test';

import tests from '../playwright.config';
import type { Options } from '../support/test';

/** Takes screenshots of all pages, with the configuration of the tests. */
export default defineConfig<object, Options>({
  ...tests,
  testDir: '.',
  outputDir: '../results',
  workers: 1,
  timeout: 240_000,
  use: { ...tests.use, actionTimeout: 15_000 },
  projects: [{ name: 'tour', use: { engine: 'sqlite' } }],
});
