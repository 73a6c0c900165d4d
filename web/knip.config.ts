import type { KnipConfig } from 'knip';

export default {
  workspaces: {
    // vite/offline.ts adds the service worker to the build.
    '.': { entry: ['src/lib/offline/worker.ts'] },
    'packages/*': {},
  },
  // Generated.
  ignore: ['packages/client/schema.d.ts'],
  // The settings of Prettier are in the root folder, which has no package.json.
  ignoreDependencies: ['prettier', 'prettier-plugin-svelte'],
} satisfies KnipConfig;
