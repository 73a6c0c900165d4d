import playwright from 'eslint-plugin-playwright';
import { defineConfig, globalIgnores } from 'eslint/config';

import { typescript } from '../web/eslint.rules.js';

export default defineConfig(
  globalIgnores(['results/', 'screenshots/']),
  typescript(['tsconfig.json', 'quality/tsconfig.json']),
  {
    files: ['**/*.ts'],
    plugins: { playwright },
    rules: {
      // Tests read responses of the API and of Lighthouse without their types: what matters of them is asserted.
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // Measurements are printed.
      'no-console': 'off',

      // Tests that check nothing, or not what they seem to. `run` fails if the program that it starts fails.
      'playwright/expect-expect': ['error', { assertFunctionPatterns: ['^expect', '^run$'] }],
      'playwright/missing-playwright-await': 'error',
      'playwright/no-focused-test': 'error',
      'playwright/no-skipped-test': 'error',
      'playwright/no-standalone-expect': 'error',
      'playwright/valid-expect': 'error',
      'playwright/valid-expect-in-promise': 'error',
      // A test waits for what a user would see, never for an amount of time.
      'playwright/no-page-pause': 'error',
      'playwright/no-wait-for-timeout': 'error',
      'playwright/prefer-web-first-assertions': 'error',
      // A function that runs in the page does not see the variables of the test.
      'playwright/no-unsafe-references': 'error',
      'playwright/no-useless-await': 'error',
    },
  },
  // Lighthouse is installed only where it runs (`make quality`), so its types may be missing.
  { files: ['quality/*.ts'], rules: { '@typescript-eslint/no-redundant-type-constituents': 'off' } },
);
