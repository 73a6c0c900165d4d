/** Drafts and versions as they are listed, to tell them apart. */

import { where } from '../drafts/where.svelte';
import type { Written } from '../drafts/written';

const LENGTH = 80;

/** The title, or the first words without their marks. */
export function beginning({ title, content }: Written): string {
  const words = content.slice(0, 4 * LENGTH).replace(/^[#>\s*+-]+/, '').replace(/[*_`]/g, '').replace(/\s+/g, ' ').trim();
  return title?.trim() || (words.length > LENGTH ? `${words.slice(0, LENGTH).replace(/\p{Surrogate}$/u, '')} …` : words);
}

/** What is under a secret tag leaves the screen when that is closed. */
export function canBeShown({ secretTagId }: { secretTagId: string | null }): boolean {
  return secretTagId === null || where.open.some(({ id }) => id === secretTagId);
}
