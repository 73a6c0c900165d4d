/** Keeps the state of a page in the query of its address, so that a reload, the back button and links restore it. */

import { untrack } from 'svelte';

import { route } from '../router';

/**
 * Calls `show` with the query of the address: at once, and whenever a navigation has changed it, for example a link to
 * the same page. Has to be called while a component is created.
 */
export function queryState(show: (asked: URLSearchParams) => void) {
  let lastSearch = location.search;
  show(new URLSearchParams(lastSearch));
  $effect(() => {
    // The router replaces the parameters at each navigation, even on the same page.
    void route.params;
    if (location.search === lastSearch) return;
    lastSearch = location.search;
    untrack(() => show(new URLSearchParams(lastSearch)));
  });
  return {
    /** Replaces the query by these values, without empty ones, and without a new entry in the history. */
    set(values: Record<string, string>): void {
      const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
      const address = query.size > 0 ? `${location.pathname}?${query}` : location.pathname;
      if (address !== location.pathname + location.search) history.replaceState(history.state, '', address);
      lastSearch = location.search;
    },
  };
}
