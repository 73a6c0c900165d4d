/**
 * AES-256-GCM and HKDF-SHA512 of WebCrypto, on bytes. Keys, ivs and additional data have separate types, so
 * that none of them can be passed in the place of another, or of a plaintext.
 */

import { type Bytes, join, ofLength, type Random, utf8 } from './bytes.js';
import { cannotBeOpened, newerVersion } from './errors.js';

declare const kind: unique symbol;
type Kind<Name extends string> = { readonly [kind]: Name };

/** A key for AES-256-GCM, 32 bytes. */
export type Key = Bytes & Kind<'key'>;
/** An initialization vector for AES-256-GCM, 12 bytes, for one encryption with its key. */
export type Iv = Bytes & Kind<'iv'>;
/** What is authenticated together with a ciphertext and is not part of it. */
export type AdditionalData = Bytes & Kind<'additional data'>;

/** The version of all layouts but one, their first byte. */
export const VERSION = 1;

/** Takes 32 bytes as a key. Throws a `RangeError` for any other length. */
export function asKey(bytes: Uint8Array, what: string): Key {
  return ofLength(32, bytes, what) as Key;
}

/** Takes 12 bytes as an iv. Throws a `RangeError` for any other length. */
export function asIv(bytes: Uint8Array, what: string): Iv {
  return ofLength(12, bytes, what) as Iv;
}

/** `label` in ASCII ‖ parts */
export function additionalData(label: string, ...parts: ArrayLike<number>[]): AdditionalData {
  return join(utf8(label), ...parts) as AdditionalData;
}

/** HKDF-SHA512 of a random secret, without salt; `label` is the info. The result is 32 bytes long. */
export async function derive(secret: Bytes, label: string): Promise<Key> {
  const key = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
  const algorithm = { name: 'HKDF', hash: 'SHA-512', salt: new Uint8Array(0), info: utf8(label) };
  return asKey(new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, 256)), 'a derived key');
}

/** Encrypts. Returns ciphertext ‖ tag, 16 bytes more than the plaintext. */
export async function seal(
  key: Key,
  iv: Iv,
  additionalData: AdditionalData,
  plaintext: Bytes | ArrayBuffer,
): Promise<Bytes> {
  const cipher = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt']);
  return new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData }, cipher, plaintext));
}

/**
 * Decrypts ciphertext ‖ tag. Throws an `Error` that names `what`, unless key, iv, additional data, ciphertext and
 * tag are those of one encryption.
 */
export async function open(
  key: Key,
  iv: Iv,
  additionalData: AdditionalData,
  ciphertext: Bytes,
  what: string,
): Promise<Bytes> {
  const cipher = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt']);
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData }, cipher, ciphertext));
  } catch {
    throw cannotBeOpened(what);
  }
}

/**
 * Encrypts into a box: version ‖ iv ‖ ciphertext ‖ tag, 29 bytes more than the plaintext. Its additional data is
 * `context` ‖ version.
 */
export async function sealBox(key: Key, context: AdditionalData, plaintext: Bytes, random: Random): Promise<Bytes> {
  const iv = asIv(random(12), 'an iv');
  return join([VERSION], iv, await seal(key, iv, withVersion(context), plaintext));
}

/** Decrypts a box. Throws as `open` does, and for a box of another version. */
export async function openBox(key: Key, context: AdditionalData, box: Bytes, what: string): Promise<Bytes> {
  if (box[0] !== VERSION) throw newerVersion(what);
  return open(key, box.subarray(1, 13) as Iv, withVersion(context), box.subarray(13), what);
}

function withVersion(context: AdditionalData): AdditionalData {
  return join(context, [VERSION]) as AdditionalData;
}
