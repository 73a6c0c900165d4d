/** Names of tags, by the rules of the server (crates/domain/src/tag.rs). */

export const MAX_TAGS = 100;
const MAX_BYTES = 100;

/** One line in Unicode form NFC, inner white space folded; empty if nothing is left. */
export function tagName(typed: string): string {
  return typed.replace(/[\p{Cc}\s]+/gu, ' ').trim().normalize('NFC');
}

/** What decides whether two names are one tag: compatibility form, lower case. */
export function nameKey(name: string): string {
  return tagName(tagName(name).normalize('NFKC').toLowerCase().normalize('NFKC'));
}

export type Refusal = 'empty' | 'long' | 'twice' | 'many';

/** Why this name cannot be put beside the others, or null if it can. */
export function refusal(name: string, others: string[]): Refusal | null {
  const key = nameKey(name);
  if (key === '') return 'empty';
  if (new TextEncoder().encode(name).length > MAX_BYTES) return 'long';
  if (others.some((other) => nameKey(other) === key)) return 'twice';
  return others.length >= MAX_TAGS ? 'many' : null;
}
