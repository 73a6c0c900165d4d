import { defineConfig, devices } from '@playwright/test';

import type { Options } from './support/test';

export default defineConfig<object, Options>({
  testDir: 'tests',
  outputDir: 'results',
  workers: 2,
  // The retry tells a flaky test from a broken one: the summary names it, and its first run has left a trace. A flaky
  // test needs a fix, and fails the run in continuous integration.
  retries: 1,
  failOnFlakyTests: Boolean(process.env.CI),
  // Generous, because these tests do not measure speed and the machine may be busy. Each assertion, action and
  // navigation has a shorter limit, whose error names what it has waited for.
  timeout: 240_000,
  expect: { timeout: 30_000, toPass: { timeout: 60_000 } },
  fullyParallel: true,
  forbidOnly: Boolean(process.env.CI),
  reporter: [['list']],
  use: {
    ...devices['Desktop Chrome'],
    actionTimeout: 60_000,
    navigationTimeout: 60_000,
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    colorScheme: 'light',
    contextOptions: { reducedMotion: 'reduce' },
    trace: 'retain-on-failure',
    // Behind a service worker, a test cannot change network responses. offline.spec.ts allows it.
    serviceWorkers: 'block',
    launchOptions: {
      executablePath: process.env.SOTTO_CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-gpu',
        '--disable-quic',
        '--disable-sync',
        '--no-first-run',
        '--use-fake-ui-for-media-stream',
        '--use-fake-device-for-media-stream',
        // Requests to other hosts fail, so no test reaches the internet.
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
      ],
    },
  },
  projects: [
    { name: 'sqlite', use: { engine: 'sqlite' } },
    // Only the main paths, on the other engine.
    { name: 'postgres', use: { engine: 'postgres' }, grep: /@main/ },
  ],
});
