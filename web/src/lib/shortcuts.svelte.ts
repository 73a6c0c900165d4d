/** Keyboard shortcuts, which work unless the user is typing. The dialog that `?` opens lists them. */

import { untrack } from 'svelte';

import type { Key } from './i18n/index.svelte';

export type Shortcut = {
  /** As in KeyboardEvent.key. With `whileTyping`, a key that types nothing, such as F9. */
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
  /** Adds a shortcut. Returns a function that removes it. */
  add(shortcut: Shortcut): () => void {
    // An effect that adds a shortcut must not depend on the list.
    untrack(() => all.push(shortcut));
    return () =>
      untrack(() =>
        all.splice(
          all.findIndex(({ run }) => run === shortcut.run),
          1,
        ),
      );
  },
};

/** Starts to listen for the keys. */
export function listenForShortcuts(): void {
  addEventListener('keydown', onKeydown);
}

function onKeydown(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event
    .composedPath()
    .some(
      (node) =>
        node instanceof HTMLElement && (node.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName)),
    );
  const dialog = document.querySelector('dialog[open]') !== null;
  const found = all.find(({ key, whileTyping }) => key === event.key && (whileTyping || !(typing || dialog)));
  if (!found) return;
  event.preventDefault();
  found.run();
}
