import type { Written } from '../drafts/written';

const LENGTH = 80;

/** The title, or the first words without their marks: to tell drafts apart. */
export function beginning({ title, content }: Written): string {
  const words = content.slice(0, 4 * LENGTH).replace(/^[#>\s*+-]+/, '').replace(/[*_`]/g, '').replace(/\s+/g, ' ').trim();
  return title?.trim() || (words.length > LENGTH ? `${words.slice(0, LENGTH).replace(/\p{Surrogate}$/u, '')} …` : words);
}
