import { defineConfig, devices } from '@playwright/test';

import type { Options } from './support/test';

export default defineConfig<object, Options>({
  testDir: 'tests',
  outputDir: 'results',
  workers: 2,
  // What passes the second time only is told as flaky, with a trace of the first: a fault to be mended, but none that stops everybody.
  retries: 1,
  // Room for a busy machine: what is slow is not wrong here.
  timeout: 60_000,
  expect: { timeout: 15_000 },
  fullyParallel: true,
  forbidOnly: Boolean(process.env.CI),
  reporter: [['list']],
  use: {
    ...devices['Desktop Chrome'],
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    colorScheme: 'light',
    contextOptions: { reducedMotion: 'reduce' },
    trace: 'retain-on-failure',
    // Where one is kept, a test cannot change what the network says. offline.spec.ts lets it in.
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
        // Nothing leaves the machine, whatever a page tries.
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
      ],
    },
  },
  projects: [
    { name: 'sqlite', use: { engine: 'sqlite' } },
    // The main paths once more, on the other engine.
    { name: 'postgres', use: { engine: 'postgres' }, grep: /@main/ },
  ],
});
