/** The direction of imports in src/, which `npm run boundaries` checks. README.md shows the order of the folders. */

/** The features in their order: each may import those before it, and none of those after it. */
const ORDER = ['tags', 'entries', 'drafts', 'secret', 'recording', 'write', 'export'];
/** Features beside that order: they may not import it. */
const APART = ['admin', 'reminders', 'settings'];
/** Modules below all features, and the files directly in lib/. */
const LEAVES = ['api', 'auth', 'charts', 'i18n', 'markdown', 'offline', 'ui'];

const folder = (...names) => `^src/lib/(${names.join('|')})/`;
const LEAF = `^src/lib/(?:${LEAVES.join('|')})/|^src/lib/[^/]+$`;

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle through the router is none at run time: it loads pages when they are visited.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { pathNot: '^src/router\\.ts$' } },
    },
    ...ORDER.slice(0, -1).map((name, at) => ({
      name: `${name}-before-${ORDER[at + 1]}`,
      severity: 'error',
      from: { path: folder(name) },
      to: { path: folder(...ORDER.slice(at + 1), ...APART) },
    })),
    {
      name: 'features-apart',
      severity: 'error',
      from: { path: `^src/lib/(${APART.join('|')})/` },
      to: { path: folder(...ORDER, ...APART), pathNot: '^src/lib/$1/' },
    },
    {
      name: 'leaves-below-features',
      severity: 'error',
      from: { path: LEAF },
      to: { path: folder(...ORDER, ...APART) },
    },
    {
      name: 'app-above-features',
      severity: 'error',
      from: { path: '^src/lib/' },
      to: { path: '^src/app/' },
    },
    {
      name: 'pages-by-router-only',
      severity: 'error',
      from: { pathNot: '^src/router\\.ts$' },
      to: { path: '^src/pages/' },
    },
    {
      name: 'no-unresolved',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, path: '^\\.' },
    },
    {
      name: 'folders-with-a-place',
      comment: 'A new folder in lib/ needs a place in ORDER, APART or LEAVES.',
      severity: 'error',
      from: {},
      to: { path: '^src/lib/[^/]+/', pathNot: folder(...ORDER, ...APART, ...LEAVES) },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    exclude: { path: '\\.test\\.ts$' },
    doNotFollow: { path: 'node_modules|^packages/' },
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.svelte.ts', '.svelte', '.js', '.json'] },
  },
};
