/** Bytes that others are made of. */

/** The 16 bytes of a UUID. @param {string} id */
export function uuid(id) {
  const digits = id.replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/i.test(digits)) throw new TypeError('not a UUID');
  return Uint8Array.from(digits.match(/../g), (pair) => parseInt(pair, 16));
}

/** @param {...ArrayLike<number>} parts */
export function join(...parts) {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
