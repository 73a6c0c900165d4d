/**
 * How drafts and recordings are encrypted on this device: AES-256-GCM over JSON or bytes, bound to the user and the
 * entry.
 */

import type { Box, Sealed } from './draft-database';

const IV_BYTES = 12;

/** Encrypts a value as JSON. `context` is authenticated: the box cannot be decrypted in another one. */
export function seal(key: CryptoKey, context: string, value: unknown): Promise<Sealed> {
  return sealBytes(key, context, text.encode(JSON.stringify(value)));
}

/** Returns the value in the box; undefined if this key and context do not decrypt it. */
export async function open(key: CryptoKey | null, context: string, box: Box): Promise<unknown> {
  if ('plain' in box) return box.plain;
  const bytes = key && (await openBytes(key, context, box));
  return bytes ? JSON.parse(new TextDecoder().decode(bytes)) : undefined;
}

/** Like {@link seal}, for bytes. */
export async function sealBytes(key: CryptoKey, context: string, bytes: BufferSource): Promise<Sealed> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  return {
    iv,
    data: await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: text.encode(context) }, key, bytes),
  };
}

/** Decrypts the result of {@link sealBytes}; undefined if this key and context do not decrypt it. */
export async function openBytes(
  key: CryptoKey,
  context: string,
  { iv, data }: Sealed,
): Promise<ArrayBuffer | undefined> {
  try {
    return await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData: text.encode(context) }, key, data);
  } catch {
    return undefined;
  }
}

/** The context of a draft, its base version and its conflict copies. */
export const draftContext = (user: string, id: string) => `sotto/v1/draft/${user}/${id}`;

/** Imports 32 bytes as a key that scripts cannot export. */
export function importKey(bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
}

const text = new TextEncoder();
