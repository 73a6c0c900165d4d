/**
 * The recovery key (docs/protocol.md, section 7): 32 random bytes. On paper they are followed by the first 3 bytes
 * of their hash, and written in Crockford's base32.
 */

import { type Bytes, join, ofLength, type Random, systemRandom, utf8 } from './bytes.js';
import { derive, type Key } from './cipher.js';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const LENGTH = 32;
const CHECK_LENGTH = 3;
/** 280 bits, 5 to a symbol. */
const SYMBOLS = 56;
const SYMBOLS_IN_GROUP = 4;

export class RecoveryKey {
  readonly #bytes: Bytes;

  /** Takes 32 bytes. Throws a `RangeError` for any other length. */
  constructor(bytes: Uint8Array) {
    this.#bytes = ofLength(LENGTH, bytes, 'a recovery key');
  }

  static generate(random: Random = systemRandom): RecoveryKey {
    return new RecoveryKey(random(LENGTH));
  }

  /**
   * Reads what a person typed. Ignores case, hyphens and white space; reads O as 0, I and L as 1. Throws an
   * `Error` if the number of symbols, a symbol or the check is wrong.
   */
  static async parse(typed: string): Promise<RecoveryKey> {
    const symbols = typed.replace(/[-\s]/gu, '').toUpperCase().replaceAll('O', '0').replaceAll(/[IL]/g, '1');
    const values = [...symbols].map((symbol) => ALPHABET.indexOf(symbol));
    if (values.length !== SYMBOLS || values.includes(-1)) throw mistyped();
    const bytes = Uint8Array.from(regroup(values, 5, 8));
    const key = new RecoveryKey(bytes.slice(0, LENGTH));
    const expected = await key.#withCheck();
    if (expected.some((byte, index) => byte !== bytes[index])) throw mistyped();
    return key;
  }

  /** The key as it is shown and written down: 14 groups of 4 symbols, with hyphens. */
  async reveal(): Promise<string> {
    const symbols = regroup(await this.#withCheck(), 8, 5)
      .map((value) => ALPHABET.charAt(value))
      .join('');
    const groups = Array.from({ length: SYMBOLS / SYMBOLS_IN_GROUP }, (_, index) => index * SYMBOLS_IN_GROUP);
    return groups.map((start) => symbols.slice(start, start + SYMBOLS_IN_GROUP)).join('-');
  }

  /** `recovery_proof`, 32 bytes: shows the server that the caller has the key. */
  proof(): Promise<Bytes> {
    return derive(this.#bytes, 'sotto/v1/secret-tag/recovery-proof');
  }

  /** `recovery_verifier`, 32 bytes: what the server keeps to check a proof. */
  async verifier(): Promise<Bytes> {
    return sha256('sotto/v1/recovery-verifier', await this.proof());
  }

  /** The key that encrypts the master key in `recovery_wrap`. It never leaves the client. */
  wrappingKey(): Promise<Key> {
    return derive(this.#bytes, 'sotto/v1/secret-tag/recovery');
  }

  async #withCheck(): Promise<Bytes> {
    const hash = await sha256('sotto/v1/recovery-key', this.#bytes);
    return join(this.#bytes, hash.subarray(0, CHECK_LENGTH));
  }
}

/** Cuts a row of numbers of `from` bits each, first bit first, into numbers of `to` bits each. */
function regroup(numbers: ArrayLike<number>, from: number, to: number): number[] {
  const bits = Array.from(numbers, (number) => number.toString(2).padStart(from, '0')).join('');
  return Array.from({ length: bits.length / to }, (_, index) => parseInt(bits.slice(index * to, (index + 1) * to), 2));
}

async function sha256(label: string, bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', join(utf8(label), bytes)));
}

function mistyped(): Error {
  return new Error('this is not a recovery key: one of its letters and digits is mistyped');
}
