/** Which entries were changed since: so that a list that comes back to the screen is up to date. */

import { api } from '../api';

const changed: string[] = [];

/** How many changes there have been. */
export function changeCount(): number {
  return changed.length;
}

/** The entries of all changes after the first `count`. */
export function changedSince(count: number): Set<string> {
  return new Set(changed.slice(count));
}

/** Says that an entry was changed by a request that did not go through the client. */
export function noteChange(id: string): void {
  changed.push(id);
}

// Every other change of an entry goes through the client, whoever makes it.
api.use({
  async onResponse({ request, response }) {
    if (request.method === 'GET' || request.method === 'HEAD' || !response.ok) return;
    const [, path] = /^\/api\/journals\/([^/]*)/.exec(new URL(request.url).pathname) ?? [];
    if (path === undefined) return;
    const id = path || ((await response.clone().json()) as { id?: string }).id;
    if (id) changed.push(id);
  },
});
