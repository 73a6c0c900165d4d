/** How drafts are encrypted on this device: AES-256-GCM over JSON or bytes, bound to the account and the entry. */

import type { Box, Sealed } from './shelf';

const IV_BYTES = 12;

/** `where` is the {@link place} that the box cannot be moved from. */
export function seal(key: CryptoKey, where: string, value: unknown): Promise<Sealed> {
  return sealBytes(key, where, text.encode(JSON.stringify(value)));
}

/** What is in the box; undefined if this key does not open it. */
export async function open(key: CryptoKey | null, where: string, box: Box): Promise<unknown> {
  if ('plain' in box) return box.plain;
  const bytes = key && (await openBytes(key, where, box));
  return bytes ? JSON.parse(new TextDecoder().decode(bytes)) : undefined;
}

/** As {@link seal}, for what is bytes already. */
export async function sealBytes(key: CryptoKey, where: string, bytes: BufferSource): Promise<Sealed> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  return { iv, data: await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: text.encode(where) }, key, bytes) };
}

/** As {@link open}, for what {@link sealBytes} made. */
export async function openBytes(key: CryptoKey, where: string, { iv, data }: Sealed): Promise<ArrayBuffer | undefined> {
  try {
    return await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData: text.encode(where) }, key, data);
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
