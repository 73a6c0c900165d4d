/** What a page shows, kept in the query of its address: a reload and the way back find it again, and a link can lead to it. */

import { untrack } from 'svelte';

import { route } from '../router';

/**
 * Hands over what the address asks for: at once, and whenever it asks for something else than was last kept in it, as after a
 * link to the same page. For the beginning of a component.
 */
export function inAddress(show: (asked: URLSearchParams) => void) {
  let known = location.search;
  show(new URLSearchParams(known));
  $effect(() => {
    // Each navigation makes new ones, even if the page stays the same.
    void route.params;
    if (location.search === known) return;
    known = location.search;
    untrack(() => show(new URLSearchParams(known)));
  });
  return {
    /** Puts these into the address, in the place of what is there; what is empty is left out. It is no step in the history. */
    keep(values: Record<string, string>): void {
      const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
      const address = query.size > 0 ? `${location.pathname}?${query}` : location.pathname;
      if (address !== location.pathname + location.search) history.replaceState(history.state, '', address);
      known = location.search;
    },
  };
}
