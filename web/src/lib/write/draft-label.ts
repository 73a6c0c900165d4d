/** Labels for drafts and conflict copies in lists. */

import type { EntryText } from '../drafts/entry-text';
import { secretTagRegistry } from '../drafts/secret-tag-registry.svelte';

const LENGTH = 80;

/** The title, or the first words without Markdown. */
export function draftLabel({ title, content }: EntryText): string {
  const words = content
    .slice(0, 4 * LENGTH)
    .replace(/^[#>\s*+-]+/, '')
    .replace(/[*_`]/g, '')
    .replace(/\s+/g, ' ')
    .trim();
  return (
    title?.trim() || (words.length > LENGTH ? `${words.slice(0, LENGTH).replace(/\p{Surrogate}$/u, '')} …` : words)
  );
}

/** Whether a draft or a copy may be shown: not under a locked secret tag. */
export function isVisible({ secretTagId }: { secretTagId: string | null }): boolean {
  return secretTagId === null || secretTagRegistry.isUnlocked(secretTagId);
}
