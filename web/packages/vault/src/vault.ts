/**
 * The keys of an unlocked secret tag: seals and opens its entries and its name (docs/protocol.md). Needs WebCrypto
 * and nothing else.
 *
 * The OPAQUE exchange itself is `@serenity-kit/opaque`: `normalizePhrase`, `identifiers` and `KEY_STRETCHING` are
 * arguments of its calls, and the export key that it returns is an argument of `Vault.unlock` and `vault.wrap`.
 */

import { type Bytes, join, ofLength, type Random, systemRandom, uint32, unshared, utf8, uuid } from './bytes.js';
import { type AdditionalData, additionalData, asIv, asKey, derive, type Key } from './cipher.js';
import { open, openBox, seal, sealBox, VERSION } from './cipher.js';
import { newerVersion } from './errors.js';
import { type Field, FieldReader, writeFields } from './fields.js';
import { RecoveryKey } from './recovery-key.js';

export { type Bytes, type Random, RecoveryKey };

/** The owner of a secret tag, and its id: two UUIDs. */
export type Scope = { user: string; tag: string };

/** What is encrypted of an entry. */
export type EntryText = {
  /** At most 500 bytes of UTF-8. */
  title?: string | undefined;
  /** Markdown, at most 1,048,576 bytes of UTF-8. */
  content: string;
  /** The names of at most 100 tags, at most 100 bytes of UTF-8 each. */
  tags: string[];
  /** The key of the entry's recording, 32 bytes. */
  audioKey?: Uint8Array | undefined;
  /** The key of the recording that is being replaced, 32 bytes, until it is certain that the new one has arrived. */
  formerAudioKey?: Uint8Array | undefined;
};

/** An entry as the server stores it. The lengths are those of docs/protocol.md, section 4. */
export type SealedEntry = {
  /** 49 to 1,059,697 bytes. */
  encryptedContent: Uint8Array;
  /** 12 bytes. */
  encryptionIv: Uint8Array;
  /** 48 bytes. */
  wrappedKey: Uint8Array;
  /** 12 bytes. */
  wrapIv: Uint8Array;
};

/** What is encrypted of a secret tag: its name, at most 100 bytes of UTF-8, and its colour as `#rrggbb`. */
export type Metadata = { name: string; color?: string | undefined };

/** The argument `keyStretching` of the two finish calls of `@serenity-kit/opaque`. */
export const KEY_STRETCHING = 'memory-constrained';

const TITLE = 1;
const CONTENT = 2;
const TAG = 3;
const AUDIO_KEY = 4;
const FORMER_AUDIO_KEY = 5;
const NAME = 1;
const COLOR = 2;
/** The version of an entry with a former audio key. */
const VERSION_WITH_FORMER_KEY = 2;

/**
 * The argument `password` of the calls of `@serenity-kit/opaque`. Throws a `RangeError` unless `typed` has 1 to
 * 1024 bytes of UTF-8.
 */
export function normalizePhrase(typed: string): string {
  const { length } = utf8(typed);
  if (length < 1 || length > 1024) throw new RangeError('a phrase must be 1 to 1024 bytes long');
  return typed.normalize('NFKC');
}

/** The argument `identifiers` of the two finish calls of `@serenity-kit/opaque`. */
export function identifiers(scope: Scope): { client: string; server: string } {
  return { client: scope.tag.toLowerCase(), server: 'sotto/opaque/v1' };
}

/**
 * Methods that open throw an `Error` if the data was changed, belongs to another user, tag, entry or revision, or
 * was written by a newer version; a `RangeError` for a key or an iv of a wrong length; and a `TypeError` for an id
 * that is not a UUID.
 */
export class Vault {
  readonly #scope: Scope;
  readonly #masterKey: Key;
  readonly #entryWrapKey: Key;
  readonly #metadataKey: Key;

  private constructor(scope: Scope, masterKey: Key, entryWrapKey: Key, metadataKey: Key) {
    this.#scope = scope;
    this.#masterKey = masterKey;
    this.#entryWrapKey = entryWrapKey;
    this.#metadataKey = metadataKey;
  }

  /** The vault of a new secret tag, with a new master key. */
  static create(scope: Scope, random: Random = systemRandom): Promise<Vault> {
    return Vault.#withMasterKey(scope, random(32));
  }

  /** Unlocks with the export key of a login, 64 bytes, and the server's `wrapped_master_key`, 61 bytes. */
  static async unlock(scope: Scope, exportKey: Uint8Array, wrapped: Uint8Array): Promise<Vault> {
    const key = await phraseKey(exportKey);
    return Vault.#withMasterKey(scope, await openBox(key, context('tmk', scope), unshared(wrapped), 'master key'));
  }

  /** Unlocks with the recovery key and the server's `recovery_wrap`, 61 bytes. */
  static async recover(scope: Scope, recoveryKey: RecoveryKey, wrap: Uint8Array): Promise<Vault> {
    const key = await recoveryKey.wrappingKey();
    return Vault.#withMasterKey(scope, await openBox(key, context('recovery', scope), unshared(wrap), 'master key'));
  }

  /** Encrypts the master key for the export key of a registration, 64 bytes. Returns `wrapped_master_key`, 61 bytes. */
  async wrap(exportKey: Uint8Array, random: Random = systemRandom): Promise<Bytes> {
    return sealBox(await phraseKey(exportKey), context('tmk', this.#scope), this.#masterKey, random);
  }

  /** Encrypts the master key for the recovery key. Returns `recovery_wrap`, 61 bytes. */
  async wrapForRecovery(recoveryKey: RecoveryKey, random: Random = systemRandom): Promise<Bytes> {
    return sealBox(await recoveryKey.wrappingKey(), context('recovery', this.#scope), this.#masterKey, random);
  }

  /**
   * Encrypts an entry, whose id is `entry`, with a new key. `revision` is the one that this save gives to the
   * entry: 1 for a new entry, and one more than the revision that it replaces otherwise. Throws a `TypeError`
   * for a former audio key without an audio key.
   */
  async sealEntry(
    entry: string,
    revision: number,
    entryText: EntryText,
    random: Random = systemRandom,
  ): Promise<SealedEntry> {
    const plaintext = writeFields(fieldsOf(entryText));
    const version = versionOf(entryText);
    const key = asKey(random(32), 'a key');
    const wrapIv = asIv(random(12), 'an iv');
    const encryptionIv = asIv(random(12), 'an iv');
    const { keyData, contentData } = this.#entryData(entry, revision, version);
    return {
      encryptedContent: join([version], await seal(key, encryptionIv, contentData, plaintext)),
      encryptionIv,
      wrappedKey: await seal(this.#entryWrapKey, wrapIv, keyData, key),
      wrapIv,
    };
  }

  /** Decrypts an entry, whose id is `entry`, as the server returned it with this revision. */
  async openEntry(entry: string, revision: number, sealed: SealedEntry): Promise<EntryText> {
    const [version] = sealed.encryptedContent;
    if (version !== VERSION && version !== VERSION_WITH_FORMER_KEY) throw newerVersion('entry');
    const { keyData, contentData } = this.#entryData(entry, revision, version);
    const wrapIv = asIv(sealed.wrapIv, 'an iv');
    const key = await open(this.#entryWrapKey, wrapIv, keyData, unshared(sealed.wrappedKey), 'entry');
    const encryptionIv = asIv(sealed.encryptionIv, 'an iv');
    const ciphertext = unshared(sealed.encryptedContent).subarray(1);
    const plaintext = await open(asKey(key, 'a key'), encryptionIv, contentData, ciphertext, 'entry');
    return readEntryText(plaintext, version);
  }

  /** Encrypts name and colour of the secret tag. Returns `metadata`, 61 to 157 bytes. */
  async sealMetadata(metadata: Metadata, random: Random = systemRandom): Promise<Bytes> {
    const fields: Field[] = [[NAME, utf8(metadata.name)]];
    if (metadata.color !== undefined) fields.push([COLOR, utf8(metadata.color)]);
    return sealBox(this.#metadataKey, context('meta', this.#scope), writeFields(fields), random);
  }

  /** Decrypts the server's `metadata`. */
  async openMetadata(sealed: Uint8Array): Promise<Metadata> {
    const plaintext = await openBox(this.#metadataKey, context('meta', this.#scope), unshared(sealed), 'metadata');
    const fields = new FieldReader(plaintext, 'metadata');
    const name = fields.text(NAME);
    const color = fields.text(COLOR);
    fields.end();
    if (name === undefined) throw newerVersion('metadata');
    return { name, color };
  }

  /** The AES-256-GCM key of drafts, which stay on this device. Scripts cannot export it. */
  async draftKey(): Promise<CryptoKey> {
    const key = await derive(this.#masterKey, 'sotto/v1/secret-tag/drafts');
    return crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);
  }

  static async #withMasterKey(scope: Scope, bytes: Uint8Array): Promise<Vault> {
    const masterKey = asKey(bytes, 'a master key');
    const entryWrapKey = await derive(masterKey, 'sotto/v1/secret-tag/entry-wrap');
    const metadataKey = await derive(masterKey, 'sotto/v1/secret-tag/metadata');
    return new Vault(scope, masterKey, entryWrapKey, metadataKey);
  }

  #entryData(entry: string, revision: number, version: number): EntryData {
    const place = join(uuid(entry), uint32(revision));
    return {
      keyData: context('dek', this.#scope, place),
      contentData: context('entry', this.#scope, place, [version]),
    };
  }
}

/** The additional data of an entry's key and of its content. */
type EntryData = { keyData: AdditionalData; contentData: AdditionalData };

/** The key that an export key gives, which encrypts the master key. */
async function phraseKey(exportKey: Uint8Array): Promise<Key> {
  return derive(ofLength(64, exportKey, 'an export key'), 'sotto/v1/secret-tag/kek');
}

function fieldsOf({ title, content, tags, audioKey, formerAudioKey }: EntryText): Field[] {
  if (formerAudioKey && !audioKey) throw new TypeError('a former audio key comes with another one');
  const fields: Field[] = [];
  if (title !== undefined) fields.push([TITLE, utf8(title)]);
  fields.push([CONTENT, utf8(content)]);
  for (const tag of tags) fields.push([TAG, utf8(tag)]);
  if (audioKey) fields.push([AUDIO_KEY, asKey(audioKey, 'an audio key')]);
  if (formerAudioKey) fields.push([FORMER_AUDIO_KEY, asKey(formerAudioKey, 'an audio key')]);
  return fields;
}

function readEntryText(plaintext: Bytes, version: number): EntryText {
  const fields = new FieldReader(plaintext, 'entry');
  const title = fields.text(TITLE);
  const content = fields.text(CONTENT);
  const tags = fields.texts(TAG);
  const audioKey = fields.bytes(AUDIO_KEY, 32);
  const formerAudioKey = fields.bytes(FORMER_AUDIO_KEY, 32);
  fields.end();
  if (content === undefined || (formerAudioKey && !audioKey)) throw newerVersion('entry');
  const entryText = { title, content, tags, audioKey, formerAudioKey };
  if (versionOf(entryText) !== version) throw newerVersion('entry');
  return entryText;
}

function versionOf({ formerAudioKey }: Pick<EntryText, 'formerAudioKey'>): number {
  return formerAudioKey ? VERSION_WITH_FORMER_KEY : VERSION;
}

type Label = 'tmk' | 'recovery' | 'meta' | 'dek' | 'entry';

/** label ‖ user ‖ tag ‖ rest */
function context(label: Label, scope: Scope, ...rest: ArrayLike<number>[]): AdditionalData {
  return additionalData(label, uuid(scope.user), uuid(scope.tag), ...rest);
}
