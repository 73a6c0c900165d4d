/**
 * The rules of ESLint for all TypeScript and Svelte, in `web/` and `e2e/`. A rule is here because it finds faults;
 * Prettier formats, and the compiler and svelte-check report unknown names and wrong types.
 */

import js from '@eslint/js';
import stylistic from '@stylistic/eslint-plugin';
import ts from 'typescript-eslint';

/** @param {string[]} projects the `tsconfig.json` files that contain the sources */
export function typescript(projects) {
  return [
    { linterOptions: { reportUnusedDisableDirectives: 'error' } },
    js.configs.recommended,
    ...ts.configs.recommendedTypeChecked,
    {
      plugins: { '@stylistic': stylistic },
      languageOptions: { parserOptions: { project: projects, extraFileExtensions: ['.svelte'] } },
      rules: {
        // null and undefined are the only values that may be compared loosely, together.
        eqeqeq: ['error', 'always', { null: 'ignore' }],
        'no-console': 'error',
        // Prettier breaks code, but neither comments nor texts.
        '@stylistic/max-len': [
          'error',
          {
            code: 120,
            ignoreStrings: true,
            ignoreTemplateLiterals: true,
            ignoreUrls: true,
            ignoreRegExpLiterals: true,
          },
        ],
        // `import type` disappears from the build. Tests name the type of a module that they import later.
        '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
        // A function that is awaited in a `try` block has to settle there.
        '@typescript-eslint/return-await': 'error',
        '@typescript-eslint/switch-exhaustiveness-check': 'error',
        // A promise as a condition or in a spread is a fault. An async listener is none: its errors reach
        // `unhandledrejection`, as those of other listeners reach `error`.
        '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
        // An error that was caught, or the reason of an aborted signal, is passed on as it is.
        '@typescript-eslint/only-throw-error': ['error', { allowRethrowing: true, allowThrowingUnknown: true }],
        '@typescript-eslint/prefer-promise-reject-errors': [
          'error',
          { allowThrowingAny: true, allowThrowingUnknown: true },
        ],
        // The services of the app are objects whose methods use no `this`, so they can be passed as functions.
        '@typescript-eslint/unbound-method': 'off',
        // An async function without `await` implements an interface whose other implementations wait, and rejects where
        // it throws.
        '@typescript-eslint/require-await': 'off',
      },
    },
    // Configuration and tools in plain JavaScript have no types, so the linter has to find unknown names. They run in
    // Node.
    {
      files: ['**/*.js', '**/*.mjs'],
      languageOptions: {
        ...ts.configs.disableTypeChecked.languageOptions,
        globals: { console: 'readonly', process: 'readonly' },
      },
      rules: {
        ...ts.configs.disableTypeChecked.rules,
        'no-undef': 'error',
        'no-console': 'off',
        '@typescript-eslint/return-await': 'off',
        '@typescript-eslint/switch-exhaustiveness-check': 'off',
      },
    },
  ];
}
