/** Byte strings: their types, their random source, and how they are composed. */

/** Bytes that WebCrypto accepts: their memory is not shared with another thread. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Returns as many random bytes as it is asked for. Only tests pass another source than the system's. */
export type Random = (length: number) => Uint8Array;

/** The random source of the system, for keys and nonces. */
export const systemRandom: Random = (length) => crypto.getRandomValues(new Uint8Array(length));

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes of a text in UTF-8. */
export function utf8(text: string): Bytes {
  return encoder.encode(text);
}

/** The text of bytes in UTF-8. Throws a `TypeError` if the bytes are not UTF-8. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The 16 bytes of a UUID, in any case and with or without hyphens. Throws a `TypeError` for any other text. */
export function uuid(id: string): Bytes {
  const digits = id.replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/i.test(digits)) throw new TypeError('not a UUID');
  return Uint8Array.from({ length: 16 }, (_, index) => parseInt(digits.slice(2 * index, 2 * index + 2), 16));
}

/** 4 bytes, big-endian. Throws a `RangeError` if the number does not fit. */
export function uint32(number: number): Bytes {
  const fits = Number.isInteger(number) && number >= 0 && number <= 0xffff_ffff;
  if (!fits) throw new RangeError(`${number} does not fit into 4 bytes`);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

/** 8 bytes, big-endian. */
export function uint64(number: number): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
  return bytes;
}

/** Concatenates byte strings. */
export function join(...parts: ArrayLike<number>[]): Bytes {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** The same bytes, copied if their memory is shared. */
export function unshared(bytes: Uint8Array): Bytes {
  return isUnshared(bytes) ? bytes : Uint8Array.from(bytes);
}

/** The same bytes. Throws a `RangeError` that names `what`, unless there are exactly `length` of them. */
export function ofLength(length: number, bytes: Uint8Array, what: string): Bytes {
  if (bytes.length !== length) throw new RangeError(`${what} must be ${length} bytes long, not ${bytes.length}`);
  return unshared(bytes);
}

function isUnshared(bytes: Uint8Array): bytes is Bytes {
  return bytes.buffer instanceof ArrayBuffer;
}
