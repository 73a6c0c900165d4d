import { defineConfig, globalIgnores } from 'eslint/config';
import svelte from 'eslint-plugin-svelte';
import ts from 'typescript-eslint';

import { typescript } from './eslint.rules.js';
import svelteConfig from './svelte.config.js';

export default defineConfig(
  globalIgnores(['dist/', 'packages/*/dist/', 'packages/client/schema.d.ts']),
  typescript(['tsconfig.json', 'tsconfig.worker.json', 'packages/*/tsconfig.json']),
  svelte.configs.recommended,
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
    rules: {
      // The sets, maps and dates of the app are not shown. What is shown is replaced as a whole (`$state.raw`).
      'svelte/prefer-svelte-reactivity': 'off',
    },
  },
  {
    files: ['**/*.svelte'],
    rules: {
      ...ts.configs.disableTypeChecked.rules,
      // svelte-check reports unknown names.
      'no-undef': 'off',
      // The type checker starts from scratch for every component, so only the rule that needs it most is used there.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/return-await': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': 'off',
      // For stores, of which the app has none.
      'svelte/require-store-reactive-access': 'off',
      // svelte-check reports a comment that ignores nothing, and knows more warnings than the linter.
      'svelte/no-unused-svelte-ignore': 'off',
      'no-restricted-syntax': [
        'error',
        {
          selector: 'SvelteAttribute[key.name="style"]',
          message: 'The content security policy allows no inline style. Use style:name={value}.',
        },
      ],
    },
  },
);
