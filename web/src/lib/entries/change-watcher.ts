/** Watches the requests of the API client, and keeps remembered lists of entries up to date with what they change. */

import { api } from '../api';
import { noteChange } from './entry-changes';
import { forgetLists } from './list-history';

/** Starts to watch. */
export function watchChanges(): void {
  api.use({
    async onResponse({ request, response }) {
      if (request.method === 'GET' || request.method === 'HEAD' || !response.ok) return;
      const { pathname } = new URL(request.url);
      const [, resource, path = ''] = /^\/api\/(journals|tags)\/([^/]*)/.exec(pathname) ?? [];
      if (resource === 'journals') {
        const id = path || ((await response.clone().json()) as { id?: string }).id;
        if (id) noteChange(id);
      }
      // Lists show their entries with the former tag. A new tag, which has no path, is in no list.
      if (resource === 'tags' && path) forgetLists();
    },
  });
}
