/** AES-256-GCM and HKDF-SHA512 of WebCrypto, on bytes. */

export const VERSION = 1;

/** HKDF-SHA512 of a random secret, without salt. @returns {Promise<Uint8Array>} 32 bytes */
export async function derive(secret, label) {
  const key = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
  const info = new TextEncoder().encode(label);
  const algorithm = { name: 'HKDF', hash: 'SHA-512', salt: new Uint8Array(0), info };
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, 256));
}

/** Ciphertext ‖ tag. */
export async function seal(key, iv, additionalData, plaintext) {
  const cipher = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt']);
  return new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData }, cipher, plaintext));
}

/** Throws if the ciphertext, its tag, `iv` or `additionalData` are not those that were sealed. */
export async function open(key, iv, additionalData, ciphertext) {
  const cipher = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt']);
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData }, cipher, ciphertext));
  } catch {
    throw new Error('this cannot be opened: it was changed, or does not belong here');
  }
}

/** Version ‖ iv ‖ ciphertext ‖ tag. The version is also the last byte of the additional data. */
export async function sealBox(key, additionalData, plaintext, random) {
  const iv = random(12);
  const sealed = await seal(key, iv, Uint8Array.of(...additionalData, VERSION), plaintext);
  return Uint8Array.of(VERSION, ...iv, ...sealed);
}

export async function openBox(key, additionalData, box) {
  if (box[0] !== VERSION) throw new Error('this was written by a newer version');
  return open(key, box.subarray(1, 13), Uint8Array.of(...additionalData, VERSION), box.subarray(13));
}
