/** How a plaintext is laid out: fields of type (1 byte), length (4, big-endian) and value, then zeros up to 32 bytes. */

const PADDING = 32;
const HEAD = 5;

/** @param {[number, Uint8Array][]} fields */
export function writeFields(fields) {
  const length = fields.reduce((sum, [, value]) => sum + HEAD + value.length, 0);
  const bytes = new Uint8Array(Math.ceil(length / PADDING) * PADDING);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const [type, value] of fields) {
    bytes[offset] = type;
    view.setUint32(offset + 1, value.length);
    bytes.set(value, offset + HEAD);
    offset += HEAD + value.length;
  }
  return bytes;
}

/** Reads fields in order; each call takes the next field if it is of that type. @param {Uint8Array} bytes */
export function readFields(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const malformed = () => new Error('this was written by a newer version');
  let offset = 0;
  const next = (type) => {
    if (offset + HEAD > bytes.length || bytes[offset] !== type) return undefined;
    const start = offset + HEAD;
    const end = start + view.getUint32(offset + 1);
    if (end > bytes.length) throw malformed();
    offset = end;
    return bytes.slice(start, end);
  };
  const text = (type) => {
    const value = next(type);
    return value === undefined ? undefined : decoder.decode(value);
  };
  return {
    text,
    texts(type) {
      const values = [];
      for (let value = text(type); value !== undefined; value = text(type)) values.push(value);
      return values;
    },
    bytes(type, length) {
      const value = next(type);
      if (value !== undefined && value.length !== length) throw malformed();
      return value;
    },
    /** Throws unless nothing is left but as many zeros as it takes. */
    end() {
      const rest = bytes.subarray(offset);
      if (bytes.length % PADDING !== 0 || rest.length >= PADDING || rest.some((byte) => byte !== 0)) throw malformed();
    },
  };
}
