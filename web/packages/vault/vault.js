/**
 * An open secret tag: seals and opens entries, as docs/protocol.md says. It needs WebCrypto and nothing else.
 *
 * OPAQUE itself is @serenity-kit/opaque. What the two share: `normalizePhrase`, `identifiers` and `KEY_STRETCHING` go
 * into its calls, and the export key that comes out of them goes into `Vault.unlock` and `vault.wrap`.
 *
 * @typedef {{ user: string, tag: string }} Scope  Whose secret tag, and which: two UUIDs.
 * @typedef {{ title?: string, content: string, tags: string[], audioKey?: Uint8Array, formerAudioKey?: Uint8Array }} EntryText
 *   `formerAudioKey`: while the recording is replaced, and it is not known whether the new one is there.
 * @typedef {{ encryptedContent: Uint8Array, encryptionIv: Uint8Array, wrappedKey: Uint8Array, wrapIv: Uint8Array }} SealedEntry
 * @typedef {{ name: string, color?: string }} Metadata
 * @typedef {(length: number) => Uint8Array} Random
 */

import { join, uuid } from './bytes.js';
import { readFields, writeFields } from './fields.js';
import { RecoveryKey } from './recovery.js';
import { derive, open, openBox, seal, sealBox, VERSION } from './cipher.js';

export { RecoveryKey };

/** What `keyStretching` is in the two finish calls of @serenity-kit/opaque. */
export const KEY_STRETCHING = 'memory-constrained';

const TITLE = 1, CONTENT = 2, TAG = 3, AUDIO_KEY = 4, FORMER_AUDIO_KEY = 5;
const NAME = 1, COLOR = 2;
/** The version of an entry with a former audio key. */
const REPLACING = 2;
const text = new TextEncoder();

/** @param {string} typed 1 to 1024 bytes of UTF-8 */
export function normalizePhrase(typed) {
  const { length } = text.encode(typed);
  if (length < 1 || length > 1024) throw new RangeError('a phrase must be 1 to 1024 bytes long');
  return typed.normalize('NFKC');
}

/** What `identifiers` is in the two finish calls of @serenity-kit/opaque. @param {Scope} scope */
export function identifiers(scope) {
  return { client: scope.tag.toLowerCase(), server: 'sotto/opaque/v1' };
}

/** @type {Random} */
const systemRandom = (length) => crypto.getRandomValues(new Uint8Array(length));

export class Vault {
  #scope;
  #master;
  #entryWrap;
  #metadata;

  /** Use `create`, `unlock` or `recover`. */
  constructor(scope, master, entryWrap, metadata) {
    this.#scope = scope;
    this.#master = master;
    this.#entryWrap = entryWrap;
    this.#metadata = metadata;
  }

  /** A new secret tag, with a new master key. @param {Scope} scope @param {Random} random */
  static create(scope, random = systemRandom) {
    return Vault.#withMaster(scope, random(32));
  }

  /** @param {Scope} scope @param {Uint8Array} exportKey 64 bytes, from OPAQUE @param {Uint8Array} wrapped 61 bytes */
  static async unlock(scope, exportKey, wrapped) {
    const key = await derive(exportKey, 'sotto/v1/secret-tag/kek');
    return Vault.#withMaster(scope, await openBox(key, aad('tmk', scope), wrapped));
  }

  /** @param {Scope} scope @param {RecoveryKey} recoveryKey @param {Uint8Array} wrap 61 bytes */
  static async recover(scope, recoveryKey, wrap) {
    return Vault.#withMaster(scope, await openBox(await recoveryKey.wrapping(), aad('recovery', scope), wrap));
  }

  /** Wraps the master key for what a registration gave. @param {Uint8Array} exportKey 64 bytes @param {Random} random */
  async wrap(exportKey, random = systemRandom) {
    const key = await derive(exportKey, 'sotto/v1/secret-tag/kek');
    return sealBox(key, aad('tmk', this.#scope), this.#master, random);
  }

  /** @param {RecoveryKey} recoveryKey @param {Random} random */
  async wrapForRecovery(recoveryKey, random = systemRandom) {
    return sealBox(await recoveryKey.wrapping(), aad('recovery', this.#scope), this.#master, random);
  }

  /**
   * Seals an entry as it will be stored: `revision` is the one that this save gives it, 1 for a new entry.
   * @param {string} entry its UUID @param {number} revision @param {EntryText} entryText @param {Random} random
   * @returns {Promise<SealedEntry>}
   */
  async sealEntry(entry, revision, entryText, random = systemRandom) {
    if (entryText.formerAudioKey && !entryText.audioKey) throw new TypeError('a former audio key comes with another one');
    const plaintext = writeFields([
      ...(entryText.title === undefined ? [] : [[TITLE, text.encode(entryText.title)]]),
      [CONTENT, text.encode(entryText.content)],
      ...entryText.tags.map((tag) => [TAG, text.encode(tag)]),
      ...(entryText.audioKey === undefined ? [] : [[AUDIO_KEY, entryText.audioKey]]),
      ...(entryText.formerAudioKey === undefined ? [] : [[FORMER_AUDIO_KEY, entryText.formerAudioKey]]),
    ]);
    const version = versionOf(entryText);
    const key = random(32);
    const wrapIv = random(12);
    const encryptionIv = random(12);
    const place = [uuid(entry), uint32(revision)];
    return {
      encryptedContent: join(
        [version],
        await seal(key, encryptionIv, aad('entry', this.#scope, ...place, [version]), plaintext),
      ),
      encryptionIv,
      wrappedKey: await seal(this.#entryWrap, wrapIv, aad('dek', this.#scope, ...place), key),
      wrapIv,
    };
  }

  /** @param {string} entry its UUID @param {number} revision @param {SealedEntry} sealed @returns {Promise<EntryText>} */
  async openEntry(entry, revision, sealed) {
    const [version] = sealed.encryptedContent;
    if (version !== VERSION && version !== REPLACING) throw newer();
    const place = [uuid(entry), uint32(revision)];
    const key = await open(this.#entryWrap, sealed.wrapIv, aad('dek', this.#scope, ...place), sealed.wrappedKey);
    const additional = aad('entry', this.#scope, ...place, [version]);
    const plaintext = await open(key, sealed.encryptionIv, additional, sealed.encryptedContent.subarray(1));
    const fields = readFields(plaintext);
    const entryText = {
      title: fields.text(TITLE),
      content: fields.text(CONTENT),
      tags: fields.texts(TAG),
      audioKey: fields.bytes(AUDIO_KEY, 32),
      formerAudioKey: fields.bytes(FORMER_AUDIO_KEY, 32),
    };
    fields.end();
    const whole = entryText.content !== undefined && (entryText.audioKey !== undefined || entryText.formerAudioKey === undefined);
    if (!whole || versionOf(entryText) !== version) throw newer();
    return entryText;
  }

  /** @param {Metadata} metadata @param {Random} random */
  sealMetadata(metadata, random = systemRandom) {
    const plaintext = writeFields([
      [NAME, text.encode(metadata.name)],
      ...(metadata.color === undefined ? [] : [[COLOR, text.encode(metadata.color)]]),
    ]);
    return sealBox(this.#metadata, aad('meta', this.#scope), plaintext, random);
  }

  /** @param {Uint8Array} sealed @returns {Promise<Metadata>} */
  async openMetadata(sealed) {
    const fields = readFields(await openBox(this.#metadata, aad('meta', this.#scope), sealed));
    const metadata = { name: fields.text(NAME), color: fields.text(COLOR) };
    fields.end();
    if (metadata.name === undefined) throw new Error('the metadata was written by a newer version');
    return metadata;
  }

  /**
   * What drafts are sealed with while they are written, on this device alone: AES-256-GCM, and no script can read it out.
   * @returns {Promise<CryptoKey>}
   */
  async draftKey() {
    const key = await derive(this.#master, 'sotto/v1/secret-tag/drafts');
    return crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);
  }

  static async #withMaster(scope, master) {
    const entryWrap = await derive(master, 'sotto/v1/secret-tag/entry-wrap');
    const metadata = await derive(master, 'sotto/v1/secret-tag/metadata');
    return new Vault(scope, master, entryWrap, metadata);
  }
}

/** @param {EntryText} entryText */
function versionOf({ formerAudioKey }) {
  return formerAudioKey === undefined ? VERSION : REPLACING;
}

function newer() {
  return new Error('the entry was written by a newer version');
}

/** label ‖ user ‖ tag ‖ rest */
function aad(label, scope, ...rest) {
  return join(text.encode(label), uuid(scope.user), uuid(scope.tag), ...rest);
}

function uint32(number) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}
