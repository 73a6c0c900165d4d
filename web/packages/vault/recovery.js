/** The recovery key: 32 random bytes, and the first 3 bytes of a hash of them, in Crockford's base32. */

import { derive } from './cipher.js';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const SYMBOLS = 56;

export class RecoveryKey {
  #bytes;

  /** @param {Uint8Array} bytes 32 bytes */
  constructor(bytes) {
    this.#bytes = bytes;
  }

  /** @param {(length: number) => Uint8Array} random */
  static generate(random = (length) => crypto.getRandomValues(new Uint8Array(length))) {
    return new RecoveryKey(random(32));
  }

  /** Reads what a person typed: in any case, with dashes and spaces anywhere, O for 0, I or L for 1. @param {string} typed */
  static async parse(typed) {
    const symbols = typed.replace(/[-\s]/gu, '').toUpperCase().replaceAll('O', '0').replaceAll(/[IL]/g, '1');
    const values = [...symbols].map((symbol) => ALPHABET.indexOf(symbol));
    const mistyped = () => new Error('this is not a recovery key: one of its letters and digits is mistyped');
    if (values.length !== SYMBOLS || values.includes(-1)) throw mistyped();
    const bits = values.map((value) => value.toString(2).padStart(5, '0')).join('');
    const bytes = Uint8Array.from(bits.match(/.{8}/g), (byte) => parseInt(byte, 2));
    const key = new RecoveryKey(bytes.slice(0, 32));
    const expected = await key.#withCheck();
    if (expected.some((byte, index) => byte !== bytes[index])) throw mistyped();
    return key;
  }

  /** How it is shown and written down: 14 groups of 4 symbols. */
  async reveal() {
    const bits = Array.from(await this.#withCheck(), (byte) => byte.toString(2).padStart(8, '0')).join('');
    const symbols = bits.match(/.{5}/g).map((value) => ALPHABET[parseInt(value, 2)]);
    return symbols.join('').match(/.{4}/g).join('-');
  }

  /** What shows the server that one has the key. */
  proof() {
    return derive(this.#bytes, 'sotto/v1/secret-tag/recovery-proof');
  }

  /** What the server keeps to know the proof. */
  async verifier() {
    return sha256('sotto/v1/recovery-verifier', await this.proof());
  }

  /** What wraps the master key. */
  wrapping() {
    return derive(this.#bytes, 'sotto/v1/secret-tag/recovery');
  }

  async #withCheck() {
    const check = await sha256('sotto/v1/recovery-key', this.#bytes);
    return Uint8Array.of(...this.#bytes, ...check.subarray(0, 3));
  }
}

async function sha256(label, bytes) {
  const input = Uint8Array.of(...new TextEncoder().encode(label), ...bytes);
  return new Uint8Array(await crypto.subtle.digest('SHA-256', input));
}
