/** How drafts are encrypted on this device: AES-256-GCM over JSON, bound to the account and the entry. */

import type { Box } from './shelf';

const IV_BYTES = 12;

/** `where` is the {@link place} that the box cannot be moved from. */
export async function seal(key: CryptoKey, where: string, value: unknown): Promise<Box> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const data = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: text.encode(where) },
    key,
    text.encode(JSON.stringify(value)),
  );
  return { iv, data };
}

/** What is in the box; undefined if this key does not open it. */
export async function open(key: CryptoKey | null, where: string, box: Box): Promise<unknown> {
  if ('plain' in box) return box.plain;
  if (!key) return undefined;
  try {
    const algorithm = { name: 'AES-GCM', iv: box.iv, additionalData: text.encode(where) };
    return JSON.parse(new TextDecoder().decode(await crypto.subtle.decrypt(algorithm, key, box.data)));
  } catch {
    return undefined;
  }
}

export const place = (user: string, id: string) => `sotto/v1/draft/${user}/${id}`;

/** 32 bytes as a key that no script can read out again. */
export function importKey(bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
}

const text = new TextEncoder();
