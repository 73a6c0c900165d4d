/** The rules for tag names, the same as on the server (crates/domain/src/tag.rs). */

export const MAX_TAGS = 100;
const MAX_BYTES = 100;

/** Normalizes a typed name: one line in Unicode form NFC, with folded white space; perhaps empty. */
export function normalizeTagName(typed: string): string {
  return typed
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .normalize('NFC');
}

/** Two names with the same key are the same tag: compatibility form, lower case. */
export function tagNameKey(name: string): string {
  return normalizeTagName(normalizeTagName(name).normalize('NFKC').toLowerCase().normalize('NFKC'));
}

export type Refusal = 'empty' | 'long' | 'twice' | 'many';

/** Returns why this name cannot be added to the others; null if it can. */
export function tagNameRefusal(name: string, others: string[]): Refusal | null {
  const key = tagNameKey(name);
  if (key === '') return 'empty';
  if (new TextEncoder().encode(name).length > MAX_BYTES) return 'long';
  if (others.some((other) => tagNameKey(other) === key)) return 'twice';
  return others.length >= MAX_TAGS ? 'many' : null;
}
