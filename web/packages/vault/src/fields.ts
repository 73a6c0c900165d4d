/**
 * The layout of a plaintext: fields of type (1 byte), length (4 bytes, big-endian) and value, then zeros up to the
 * next multiple of 32 bytes.
 */

import { type Bytes, textOf } from './bytes.js';
import { newerVersion } from './errors.js';

export type Field = readonly [type: number, value: Uint8Array];

const PADDING = 32;
const HEADER_LENGTH = 5;

/** Lays out fields in the order given, which has to be that of their types. */
export function writeFields(fields: readonly Field[]): Bytes {
  const length = fields.reduce((sum, [, value]) => sum + HEADER_LENGTH + value.length, 0);
  const bytes = new Uint8Array(Math.ceil(length / PADDING) * PADDING);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const [type, value] of fields) {
    view.setUint8(offset, type);
    view.setUint32(offset + 1, value.length);
    bytes.set(value, offset + HEADER_LENGTH);
    offset += HEADER_LENGTH + value.length;
  }
  return bytes;
}

/**
 * Reads fields in the order of their types. Each method throws an `Error` that names `what` if the layout is
 * another one, and a `TypeError` for a text that is not UTF-8.
 */
export class FieldReader {
  readonly #bytes: Bytes;
  readonly #what: string;
  #offset = 0;

  constructor(bytes: Bytes, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  /** The text of the next field, or undefined if the next field has another type. */
  text(type: number): string | undefined {
    const value = this.#next(type);
    return value && textOf(value);
  }

  /** The texts of all fields of this type that come next. */
  texts(type: number): string[] {
    const values: string[] = [];
    for (let value = this.text(type); value !== undefined; value = this.text(type)) values.push(value);
    return values;
  }

  /** The value of the next field, of exactly `length` bytes, or undefined if the next field has another type. */
  bytes(type: number, length: number): Bytes | undefined {
    const value = this.#next(type);
    if (value && value.length !== length) throw newerVersion(this.#what);
    return value;
  }

  /** Throws unless all that is left is the padding. */
  end(): void {
    const rest = this.#bytes.subarray(this.#offset);
    const padded = this.#bytes.length % PADDING === 0 && rest.length < PADDING && rest.every((byte) => byte === 0);
    if (!padded) throw newerVersion(this.#what);
  }

  #next(type: number): Bytes | undefined {
    if (this.#offset + HEADER_LENGTH > this.#bytes.length || this.#bytes[this.#offset] !== type) return undefined;
    const start = this.#offset + HEADER_LENGTH;
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
    const end = start + view.getUint32(this.#offset + 1);
    if (end > this.#bytes.length) throw newerVersion(this.#what);
    this.#offset = end;
    return this.#bytes.slice(start, end);
  }
}
