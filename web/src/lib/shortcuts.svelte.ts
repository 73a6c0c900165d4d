/** Keys that work everywhere, unless somebody is typing. Each is listed on the page of help (`?`). */

import { untrack } from 'svelte';

import type { Key } from './i18n/index.svelte';

export type Shortcut = {
  /** As in KeyboardEvent.key. With `whileTyping` it needs a modifier or must be a key that types nothing. */
  key: string;
  name: Key;
  whileTyping?: boolean;
  run: () => void;
};

const all = $state<Shortcut[]>([]);

export const shortcuts = {
  get all(): readonly Shortcut[] {
    return all;
  },
  /** Adds a shortcut; the answer takes it away again. */
  add(shortcut: Shortcut): () => void {
    // An effect that adds one must not run again because there is one more.
    untrack(() => all.push(shortcut));
    return () => untrack(() => all.splice(all.findIndex(({ run }) => run === shortcut.run), 1));
  },
};

addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event
    .composedPath()
    .some((node) => node instanceof HTMLElement && (node.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName)));
  const dialog = document.querySelector('dialog[open]') !== null;
  const found = all.find(({ key, whileTyping }) => key === event.key && (whileTyping || !(typing || dialog)));
  if (!found) return;
  event.preventDefault();
  found.run();
});
