/**
 * The recording of an entry under a secret tag, encrypted in chunks so that playback can start anywhere
 * (docs/protocol.md, section 6). Needs WebCrypto and nothing else.
 */

import { type Bytes, type Random, systemRandom, textOf, uint32, uint64, unshared, utf8, uuid } from './bytes.js';
import { type AdditionalData, additionalData, asIv, asKey, type Iv, type Key, open, seal, VERSION } from './cipher.js';
import { cannotBeOpened, newerVersion } from './errors.js';

export type { Bytes, Random };

/** The owner of a recording, and its entry: two UUIDs. */
export type RecordingScope = { user: string; entry: string };

/** An encrypted recording, and its key of 32 bytes, which belongs into `audioKey` of the entry's text. */
export type SealedRecording = { audioKey: Bytes; sealed: Blob };

/**
 * Returns the bytes of the encrypted recording from `start` up to and not including `end`, for instance of a
 * request with `Range: bytes=start-(end-1)`.
 */
export type ReadRange = (start: number, end: number) => Promise<Uint8Array>;

/** Bytes of plaintext in each chunk; the last one may have fewer. */
export const CHUNK = 65536;
/** Bytes of the encrypted recording before the first chunk. */
export const HEAD_LENGTH = 81;

const TAG = 16;
const SEALED_CHUNK = CHUNK + TAG;
const LENGTH = 8;
const MEDIA_TYPE = 56;
/** The last byte of an iv: the kind of part that it is for. */
const Part = { chunk: 0, lastChunk: 1, head: 2 } as const;
type Part = (typeof Part)[keyof typeof Part];

/**
 * Encrypts a recording with a separate new key. Keeps the type of `blob`, and holds one chunk at a time in
 * memory. Throws a `RangeError` if the type is longer than 56 bytes.
 */
export async function sealRecording(
  scope: RecordingScope,
  blob: Blob,
  random: Random = systemRandom,
): Promise<SealedRecording> {
  const mediaType = utf8(blob.type);
  if (mediaType.length > MEDIA_TYPE) throw new RangeError(`a media type must be at most ${MEDIA_TYPE} bytes long`);
  const key = asKey(random(32), 'an audio key');
  const head = new Uint8Array(LENGTH + MEDIA_TYPE);
  head.set(uint64(blob.size));
  head.set(mediaType, LENGTH);
  const parts: BlobPart[] = [Uint8Array.of(VERSION), await seal(key, partIv(0, Part.head), headData(scope), head)];
  const count = chunkCount(blob.size);
  for (let number = 0; number < count; number += 1) {
    const plaintext = await blob.slice(number * CHUNK, (number + 1) * CHUNK).arrayBuffer();
    const iv = partIv(number, number + 1 === count ? Part.lastChunk : Part.chunk);
    // A Blob for each chunk, so that the browser may move it out of memory.
    parts.push(new Blob([await seal(key, iv, chunkData(scope, blob.size), plaintext)]));
  }
  return { audioKey: key, sealed: new Blob(parts, { type: 'application/octet-stream' }) };
}

/**
 * Decrypts a whole recording; the result has the type of the original. `audioKey` is 32 bytes long. Throws an
 * `Error` if the recording belongs to another key, user or entry, was changed, or is not complete.
 */
export async function openRecording(scope: RecordingScope, audioKey: Uint8Array, sealed: Blob): Promise<Blob> {
  const recording = await Recording.open(scope, audioKey, readBlob(sealed));
  if (sealed.size !== recording.sealedLength) throw cannotBeOpened('recording');
  const parts: BlobPart[] = [];
  for (let start = 0; start < recording.byteLength; start += CHUNK) {
    parts.push(new Blob([await recording.read(start, Math.min(start + CHUNK, recording.byteLength))]));
  }
  // The one chunk of an empty recording holds nothing, but has to be authentic.
  if (recording.byteLength === 0) await recording.read(0, 0);
  return new Blob(parts, { type: recording.mediaType });
}

/** Reads an encrypted recording from a Blob. */
export function readBlob(blob: Blob): ReadRange {
  return async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer());
}

/** A recording that is decrypted in parts, on demand. */
export class Recording {
  /** For instance `audio/webm;codecs=opus`. */
  readonly mediaType: string;
  /** The length of the plaintext in bytes. */
  readonly byteLength: number;
  readonly #scope: RecordingScope;
  readonly #key: Key;
  readonly #read: ReadRange;

  private constructor(scope: RecordingScope, key: Key, read: ReadRange, mediaType: string, byteLength: number) {
    this.#scope = scope;
    this.#key = key;
    this.#read = read;
    this.mediaType = mediaType;
    this.byteLength = byteLength;
  }

  /**
   * Reads and decrypts the head, the first `HEAD_LENGTH` bytes. `audioKey` is 32 bytes long. Throws an `Error` if the
   * head belongs to another key, user or entry, or was changed.
   */
  static async open(scope: RecordingScope, audioKey: Uint8Array, read: ReadRange): Promise<Recording> {
    const key = asKey(audioKey, 'an audio key');
    const head = unshared(await read(0, HEAD_LENGTH));
    if (head.length !== HEAD_LENGTH) throw cannotBeOpened('recording');
    if (head[0] !== VERSION) throw newerVersion('recording');
    const plaintext = await open(key, partIv(0, Part.head), headData(scope), head.subarray(1), 'recording');
    const length = new DataView(plaintext.buffer, plaintext.byteOffset).getBigUint64(0);
    if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw newerVersion('recording');
    const padded = plaintext.subarray(LENGTH);
    const end = padded.indexOf(0) < 0 ? MEDIA_TYPE : padded.indexOf(0);
    if (padded.subarray(end).some((byte) => byte !== 0)) throw newerVersion('recording');
    return new Recording(scope, key, read, textOf(padded.subarray(0, end)), Number(length));
  }

  /** The length of the encrypted recording in bytes. */
  get sealedLength(): number {
    return HEAD_LENGTH + this.byteLength + chunkCount(this.byteLength) * TAG;
  }

  /**
   * Decrypts the bytes from `start` up to and not including `end`. Reads only the chunks that hold them. Throws
   * a `RangeError` for a range beyond the end of the recording, and an `Error` if a chunk was changed or is
   * missing.
   */
  async read(start: number, end: number): Promise<Bytes> {
    const inside = start >= 0 && start <= end && end <= this.byteLength;
    if (!inside) throw new RangeError('beyond the end of the recording');
    const count = chunkCount(this.byteLength);
    const first = Math.min(count - 1, Math.floor(start / CHUNK));
    const last = Math.max(first, Math.ceil(end / CHUNK) - 1);
    const from = HEAD_LENGTH + first * SEALED_CHUNK;
    const to = Math.min(this.sealedLength, HEAD_LENGTH + (last + 1) * SEALED_CHUNK);
    const sealed = unshared(await this.#read(from, to));
    if (sealed.length !== to - from) throw cannotBeOpened('recording');
    const plaintext = new Uint8Array(to - from - (last - first + 1) * TAG);
    const authenticated = chunkData(this.#scope, this.byteLength);
    for (let number = first; number <= last; number += 1) {
      const iv = partIv(number, number + 1 === count ? Part.lastChunk : Part.chunk);
      const offset = (number - first) * SEALED_CHUNK;
      const chunk = sealed.subarray(offset, offset + SEALED_CHUNK);
      plaintext.set(await open(this.#key, iv, authenticated, chunk, 'recording'), (number - first) * CHUNK);
    }
    return plaintext.subarray(start - first * CHUNK, end - first * CHUNK);
  }
}

/** The number of chunks of a recording of so many bytes; an empty recording has one. */
function chunkCount(byteLength: number): number {
  return Math.max(1, Math.ceil(byteLength / CHUNK));
}

/** Seven zeros ‖ number of the chunk ‖ kind of part. */
function partIv(number: number, part: Part): Iv {
  const iv = new Uint8Array(12);
  iv.set(uint32(number), 7);
  iv[11] = part;
  return asIv(iv, 'an iv');
}

function headData({ user, entry }: RecordingScope): AdditionalData {
  return additionalData('recording', uuid(user), uuid(entry), [VERSION]);
}

function chunkData({ user, entry }: RecordingScope, byteLength: number): AdditionalData {
  return additionalData('recording', uuid(user), uuid(entry), uint64(byteLength), [VERSION]);
}
