/**
 * The recording of an entry under a secret tag: encrypted in chunks, as docs/protocol.md says, so that it can be played from
 * anywhere. It needs WebCrypto and nothing else.
 *
 * @typedef {{ user: string, entry: string }} Place  Whose recording, and of which entry: two UUIDs.
 * @typedef {(length: number) => Uint8Array} Random
 * @typedef {(start: number, end: number) => Promise<Uint8Array>} Read  Gives the bytes of the encrypted recording from `start`
 *   up to `end`, which is not included: of a request with `Range: bytes=start-(end-1)`, say.
 */

import { join, uuid } from './bytes.js';
import { open, seal, VERSION } from './cipher.js';

/** Bytes of plaintext in a chunk, but for the last one. */
export const CHUNK = 65536;
/** Bytes before the first chunk. */
export const HEAD = 81;

const TAG = 16;
const SEALED_CHUNK = CHUNK + TAG;
const MEDIA_TYPE = 56;
const NUMBERED = 0, LAST = 1, OPENING = 2;
const text = new TextEncoder();

/** @type {Random} */
const systemRandom = (length) => crypto.getRandomValues(new Uint8Array(length));

/**
 * Encrypts a recording with a key of its own, which goes into `audioKey` of the entry's text. One chunk at a time is in memory.
 * @param {Place} place @param {Blob} blob  Its `type` is kept. @param {Random} random
 * @returns {Promise<{ audioKey: Uint8Array, sealed: Blob }>}
 */
export async function sealRecording(place, blob, random = systemRandom) {
  const mediaType = text.encode(blob.type);
  if (mediaType.length > MEDIA_TYPE) throw new RangeError(`a media type must be at most ${MEDIA_TYPE} bytes long`);
  const audioKey = random(32);
  const head = new Uint8Array(8 + MEDIA_TYPE);
  head.set(uint64(blob.size));
  head.set(mediaType, 8);
  const parts = [Uint8Array.of(VERSION), await seal(audioKey, iv(0, OPENING), aad(place), head)];
  const count = chunks(blob.size);
  for (let number = 0; number < count; number += 1) {
    const plaintext = await blob.slice(number * CHUNK, (number + 1) * CHUNK).arrayBuffer();
    const kind = number + 1 === count ? LAST : NUMBERED;
    // As a Blob each, so that a browser may put them aside.
    parts.push(new Blob([await seal(audioKey, iv(number, kind), aad(place, uint64(blob.size)), plaintext)]));
  }
  return { audioKey, sealed: new Blob(parts, { type: 'application/octet-stream' }) };
}

/**
 * Decrypts a whole recording.
 * @param {Place} place @param {Uint8Array} audioKey 32 bytes @param {Blob} sealed
 * @returns {Promise<Blob>} with the type that it had
 */
export async function openRecording(place, audioKey, sealed) {
  const recording = await Recording.open(place, audioKey, readBlob(sealed));
  if (sealed.size !== recording.sealedLength) throw refused();
  const parts = [];
  for (let start = 0; start < recording.byteLength; start += CHUNK) {
    parts.push(new Blob([await recording.read(start, Math.min(start + CHUNK, recording.byteLength))]));
  }
  if (recording.byteLength === 0) await recording.read(0, 0);
  return new Blob(parts, { type: recording.mediaType });
}

/** The `Read` of a Blob. @param {Blob} blob @returns {Read} */
export function readBlob(blob) {
  return async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer());
}

/** A recording of which parts are decrypted as they are needed. */
export class Recording {
  #place;
  #audioKey;
  #read;

  /** Use `open`. */
  constructor(place, audioKey, read, mediaType, byteLength) {
    this.#place = place;
    this.#audioKey = audioKey;
    this.#read = read;
    /** What it is, such as `audio/webm;codecs=opus`. */
    this.mediaType = mediaType;
    /** How long it is, in bytes. */
    this.byteLength = byteLength;
  }

  /** Decrypts the head. @param {Place} place @param {Uint8Array} audioKey 32 bytes @param {Read} read */
  static async open(place, audioKey, read) {
    const head = await read(0, HEAD);
    if (head.length !== HEAD) throw refused();
    if (head[0] !== VERSION) throw newer();
    const plaintext = await open(audioKey, iv(0, OPENING), aad(place), head.subarray(1));
    const length = new DataView(plaintext.buffer, plaintext.byteOffset).getBigUint64(0);
    if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw newer();
    const padded = plaintext.subarray(8);
    const end = padded.indexOf(0) < 0 ? MEDIA_TYPE : padded.indexOf(0);
    if (padded.subarray(end).some((byte) => byte !== 0)) throw newer();
    const mediaType = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(padded.subarray(0, end));
    return new Recording(place, audioKey, read, mediaType, Number(length));
  }

  /** How long it is when it is encrypted, in bytes. */
  get sealedLength() {
    return HEAD + this.byteLength + chunks(this.byteLength) * TAG;
  }

  /**
   * The bytes from `start` up to `end`, which is not included. Only the chunks that hold them are read and decrypted.
   * @param {number} start @param {number} end @returns {Promise<Uint8Array>}
   */
  async read(start, end) {
    if (!(start >= 0 && start <= end && end <= this.byteLength)) throw new RangeError('beyond the end of the recording');
    const count = chunks(this.byteLength);
    const first = Math.min(count - 1, Math.floor(start / CHUNK));
    const last = Math.max(first, Math.ceil(end / CHUNK) - 1);
    const from = HEAD + first * SEALED_CHUNK;
    const to = Math.min(this.sealedLength, HEAD + (last + 1) * SEALED_CHUNK);
    const sealed = await this.#read(from, to);
    if (sealed.length !== to - from) throw refused();
    const plaintext = new Uint8Array(to - from - (last - first + 1) * TAG);
    const additional = aad(this.#place, uint64(this.byteLength));
    for (let number = first; number <= last; number += 1) {
      const offset = (number - first) * SEALED_CHUNK;
      const kind = number + 1 === count ? LAST : NUMBERED;
      const piece = sealed.subarray(offset, offset + SEALED_CHUNK);
      plaintext.set(await open(this.#audioKey, iv(number, kind), additional, piece), (number - first) * CHUNK);
    }
    return plaintext.subarray(start - first * CHUNK, end - first * CHUNK);
  }
}

/** How many chunks a recording of so many bytes has; an empty one has one. */
function chunks(length) {
  return Math.max(1, Math.ceil(length / CHUNK));
}

/** Seven zeros ‖ number ‖ kind. */
function iv(number, kind) {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint32(7, number);
  view.setUint8(11, kind);
  return bytes;
}

/** `recording` ‖ user ‖ entry ‖ rest ‖ version */
function aad(place, rest = []) {
  return join(text.encode('recording'), uuid(place.user), uuid(place.entry), rest, [VERSION]);
}

function uint64(number) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
  return bytes;
}

function refused() {
  return new Error('this cannot be opened: it was changed, or does not belong here');
}

function newer() {
  return new Error('the recording was written by a newer version');
}
