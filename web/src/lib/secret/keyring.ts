/**
 * The keyring: the only part of the app that holds passphrases and keys. It runs in a worker (worker.ts), so that
 * key stretching does not block the page, and no key is in the page. The page makes the requests (`ask`), as it has
 * the login.
 */

import { SottoError, type Schemas } from '@sotto/client';
import { RecoveryKey, Vault } from '@sotto/vault';

import type { Draft, Entry, EntryQuery } from '../entries/entry';
import { decode, encode } from '../base64url';
import { login, register, suiteReady, type Ask, type LoggedIn, type Scope } from './opaque';
import { excerpt, DecryptedEntries } from './decrypted-entries';
import { estimateStrength, type Strength } from './phrase-strength';

/** What the page knows of an unlocked secret tag. */
export type Unlocked = {
  id: string;
  name: string;
  color: string | null;
  /** Incremented with each new phrase. */
  version: number;
  /** The unlock token, for `X-Sotto-Unlock`. */
  token: string;
  /** The OPAQUE session that the unlock belongs to. */
  session: string;
  /** When the server locks an unused tag, RFC 3339. */
  expiresAt: string;
  failedTries: { count: number; last: string | null };
};

/**
 * The result of a phrase or a recovery key. null: no tag was unlocked. `retryAfter`: some could not be tried, for so
 * many seconds.
 */
export type Attempt = { unlocked: Unlocked | null; retryAfter?: number };

/** The part of an entry that is sealed. */
export type Text = Pick<Draft, 'title' | 'content' | 'tags' | 'audio'>;
type SealedFields = Required<
  Pick<Schemas['JournalEntryUpdate'], 'encrypted_content' | 'encryption_iv' | 'wrapped_key' | 'wrap_iv'>
>;

/** The keys of an entry's recording. `storedAt` is when the entry was saved with them, RFC 3339. */
type AudioKeys = { key: Uint8Array; formerKey?: Uint8Array; storedAt: string };
type OpenTag = { vault: Vault; token: string; entries: DecryptedEntries; audio: Map<string, AudioKeys> };

/** Monotonic milliseconds, and a pause of so many. */
export type Clock = { now: () => number; sleep: (milliseconds: number) => Promise<void> };
const system: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds) => new Promise((done) => setTimeout(done, milliseconds)),
};

/** The longest time that an upload may take, in ms. The server deletes unfinished uploads after the same time. */
const UPLOAD = 3_600_000;

/**
 * A failed attempt takes as long as a multiple of so many tries, so that its duration does not reveal the number of
 * tags.
 */
const TRIES = 3;

export class Keyring {
  #ask: Ask;
  #clock: Clock;
  #open = new Map<string, OpenTag>();
  #prepared: { tag: string; phrase: string; recoveryKey: RecoveryKey; tried?: true } | null = null;

  constructor(ask: Ask, clock: Clock = system) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** Rejects if this browser lacks WebAssembly or WebCrypto. */
  ready(): Promise<void> {
    return suiteReady();
  }

  strength(phrase: string, language: 'en' | 'de', known: string[]): Promise<Strength> {
    return estimateStrength(phrase, language, known);
  }

  /**
   * Tries a phrase on these secret tags, in this order, until one is unlocked; without tags, on one that does not
   * exist. The server counts each failed try, and slows a tag down after some. In the order of the server, with the
   * tag that was unlocked last at the front, a tag fails at most once for each other tag between two of its unlocks.
   */
  async unlock(user: string, tags: string[], phrase: string): Promise<Attempt> {
    return this.#try(user, tags, async (scope) => {
      const found = await login(scope, phrase, this.#ask);
      return found && this.#enter(scope, found, phrase);
    });
  }

  /**
   * Prepares a new secret tag with this phrase. Returns its recovery key in the written form. Nothing is stored yet.
   */
  async prepare(phrase: string): Promise<string> {
    this.#prepared = { tag: crypto.randomUUID(), phrase, recoveryKey: RecoveryKey.generate() };
    return this.#prepared.recoveryKey.reveal();
  }

  /** Creates and unlocks the prepared tag. Can be repeated after a failure: the tag is created once. */
  async create(user: string, name: string): Promise<Unlocked> {
    if (!this.#prepared) throw new Error('no secret tag was prepared');
    const { tag, phrase, recoveryKey, tried } = this.#prepared;
    const scope = { user, tag };
    this.#prepared.tried = true;
    let conflict: SottoError | undefined;
    try {
      const { started, record, exportKey } = await register(scope, phrase, (registration_request) =>
        this.#ask<Schemas['RegistrationAnswer']>('/register/start', { tag_id: tag, registration_request }),
      );
      const vault = await Vault.create(scope);
      await this.#ask('/register/finish', {
        tag_id: tag,
        registration_record: record,
        server_keys: started.server_keys,
        wrapped_master_key: encode(await vault.wrap(exportKey)),
        metadata: encode(await vault.sealMetadata({ name })),
        recovery_wrap: encode(await vault.wrapForRecovery(recoveryKey)),
        recovery_verifier: encode(await recoveryKey.verifier()),
      } satisfies Schemas['RegisterFinish']);
    } catch (error) {
      // An earlier try may have created the tag, and its response was lost. Then the phrase unlocks it.
      if (!(tried && error instanceof SottoError && error.status === 409)) throw error;
      conflict = error;
    }
    const found = await login(scope, phrase, this.#ask);
    if (!found) throw conflict ?? new Error('the new secret tag could not be unlocked');
    this.#prepared = null;
    return this.#enter(scope, found, phrase);
  }

  /** Whether the check digits of a recovery key are right. */
  async isRecoveryKey(typed: string): Promise<boolean> {
    return RecoveryKey.parse(typed).then(
      () => true,
      () => false,
    );
  }

  /** Sets a new phrase for the one of these secret tags that the recovery key belongs to, and unlocks it. */
  async recover(user: string, tags: string[], typed: string, phrase: string): Promise<Attempt> {
    const key = await RecoveryKey.parse(typed);
    const recovery_proof = encode(await key.proof());
    return this.#try(user, tags, async (scope) => {
      const path = `/${scope.tag}/recover`;
      const registered = await register(scope, phrase, (registration_request) =>
        this.#ask<Schemas['RecoverStarted']>(`${path}/start`, { recovery_proof, registration_request }),
      ).catch((error: unknown) => {
        if (error instanceof SottoError && error.status === 403) return null;
        throw error;
      });
      if (!registered) return null;
      const { started, record, exportKey } = registered;
      const vault = await Vault.recover(scope, key, decode(started.recovery_wrap));
      await this.#ask(`${path}/finish`, {
        recovery_proof,
        registration_record: record,
        server_keys: started.server_keys,
        wrapped_master_key: encode(await vault.wrap(exportKey)),
        version: started.version,
      } satisfies Schemas['RecoverFinish']);
      const found = await login(scope, phrase, this.#ask);
      return found && this.#enter(scope, found, phrase);
    });
  }

  /** Sets a new phrase for an unlocked secret tag. Returns its new version. */
  async changePhrase(user: string, tag: string, version: number, phrase: string): Promise<number> {
    const { vault, token } = this.#get(tag);
    const path = `/${tag}/phrase`;
    const { started, record, exportKey } = await register({ user, tag }, phrase, (registration_request) =>
      this.#ask<Schemas['RegistrationAnswer']>(`${path}/start`, { registration_request }, token),
    );
    const body: Schemas['PhraseFinish'] = {
      registration_record: record,
      server_keys: started.server_keys,
      wrapped_master_key: encode(await vault.wrap(exportKey)),
      version,
    };
    const changed = await this.#ask<Schemas['SecretTag']>(`${path}/finish`, body, token);
    return changed.version ?? version + 1;
  }

  /** Seals a name and a colour, in base64url. */
  async sealName(tag: string, name: string, color: string | null): Promise<string> {
    return encode(await this.#get(tag).vault.sealMetadata({ name, color: color ?? undefined }));
  }

  async openName(tag: string, sealed: string): Promise<{ name: string; color: string | null }> {
    const { name, color } = await this.#get(tag).vault.openMetadata(decode(sealed));
    return { name, color: color ?? null };
  }

  /** Decrypts entries, and adds them to the search. null stands for an entry that cannot be decrypted. */
  async openEntries(tag: string, sealed: Schemas['JournalEntry'][]): Promise<(Entry | null)[]> {
    return Promise.all(sealed.map((entry) => this.#openEntry(tag, entry).catch(() => null)));
  }

  /** Like `openEntries`, with the first part of each text, for lists. */
  async openForList(tag: string, sealed: Schemas['JournalEntry'][]): Promise<(Entry | null)[]> {
    return (await this.openEntries(tag, sealed)).map((entry) => entry && excerpt(entry));
  }

  /**
   * Seals an entry for the revision that the save will give it. The keys of its recording stay, unless `text` has
   * others.
   */
  async sealEntry(tag: string, id: string, revision: number, text: Text): Promise<SealedFields> {
    const { vault, audio } = this.#get(tag);
    const keys = text.audio === undefined ? audio.get(id) : text.audio;
    const sealed = await vault.sealEntry(id, revision, {
      title: text.title ?? undefined,
      content: text.content,
      tags: text.tags,
      audioKey: keys?.key ?? undefined,
      formerAudioKey: keys?.formerKey,
    });
    return {
      encrypted_content: encode(sealed.encryptedContent),
      encryption_iv: encode(sealed.encryptionIv),
      wrapped_key: encode(sealed.wrappedKey),
      wrap_iv: encode(sealed.wrapIv),
    };
  }

  /**
   * Notes which key decrypts the recording on the server. The next save drops the other key, unless that key belongs
   * to a recording that may still be on its way.
   */
  async confirmRecordingKey(tag: string, id: string, key: Uint8Array): Promise<void> {
    const { audio } = this.#get(tag);
    const keys = audio.get(id);
    if (!keys?.formerKey) return;
    const former = equalBytes(key, keys.formerKey);
    if (!former && !equalBytes(key, keys.key)) return;
    if (former && Date.now() - Date.parse(keys.storedAt) < UPLOAD) return;
    audio.set(id, { key, storedAt: keys.storedAt });
  }

  /** Whether an entry was decrypted here before. Only then does the keyring know the keys of its recording. */
  knows(tag: string, id: string): boolean {
    return this.#get(tag).entries.get(id) !== undefined;
  }

  forgetEntry(tag: string, id: string): void {
    const { entries, audio } = this.#get(tag);
    entries.remove(id);
    audio.delete(id);
  }

  /** Searches the entries that were decrypted so far. */
  search(tag: string, query: EntryQuery): Entry[] {
    return this.#get(tag).entries.search(query);
  }

  draftKey(tag: string): Promise<CryptoKey> {
    return this.#get(tag).vault.draftKey();
  }

  lock(tag: string): void {
    this.#open.delete(tag);
  }

  async #openEntry(tag: string, sealed: Schemas['JournalEntry']): Promise<Entry> {
    const { vault, entries, audio } = this.#get(tag);
    const text = await vault.openEntry(sealed.id, sealed.revision, {
      encryptedContent: decode(sealed.encrypted_content ?? ''),
      encryptionIv: decode(sealed.encryption_iv ?? ''),
      wrappedKey: decode(sealed.wrapped_key ?? ''),
      wrapIv: decode(sealed.wrap_iv ?? ''),
    });
    const entry: Entry = {
      id: sealed.id,
      title: text.title ?? null,
      content: text.content,
      truncated: false,
      tags: [...new Set(text.tags)].map((name) => ({ id: null, name, color: null })),
      date: sealed.entry_date,
      zone: sealed.entry_zone,
      secretTagId: tag,
      revision: sealed.revision,
      createdAt: sealed.created_at,
      updatedAt: sealed.updated_at,
      audio: null,
    };
    const { audioKey: key, formerAudioKey: formerKey } = text;
    if (key) entry.audio = { url: `/api/journals/${sealed.id}/audio`, mediaType: null, key, formerKey };
    // A response from before the last save can arrive after it.
    if ((entries.get(entry.id)?.revision ?? 0) > entry.revision) return entry;
    if (key) audio.set(entry.id, { key, formerKey, storedAt: entry.updatedAt });
    else audio.delete(entry.id);
    entries.put(entry);
    return entry;
  }

  /**
   * Takes the keys of an unlocked tag into the keyring. If the server has a new keyset, the phrase is registered again
   * with it.
   */
  async #enter(scope: Scope, { session, exportKey, unlocked }: LoggedIn, phrase: string): Promise<Unlocked> {
    const vault = await Vault.unlock(scope, exportKey, decode(unlocked.wrapped_master_key));
    const { name, color } = await vault.openMetadata(decode(unlocked.metadata));
    const token = unlocked.unlock_token;
    this.#open.set(scope.tag, { vault, token, entries: new DecryptedEntries(), audio: new Map() });
    let { version } = unlocked;
    if (unlocked.reregister) {
      // If this fails, the phrase works as before, and the server asks again at the next unlock.
      version = await this.changePhrase(scope.user, scope.tag, version, phrase).catch(() => version);
    }
    const failedTries = { count: unlocked.failed_tries.count, last: unlocked.failed_tries.last ?? null };
    const expiresAt = unlocked.expires_at;
    return { id: scope.tag, name, color: color ?? null, version, token, session, expiresAt, failedTries };
  }

  async #try(user: string, tags: string[], attempt: (scope: Scope) => Promise<Unlocked | null>): Promise<Attempt> {
    const locked = tags.filter((tag) => !this.#open.has(tag));
    const candidates = locked.length > 0 ? locked : [await decoy(user)];
    const start = this.#clock.now();
    let longest = 0;
    let retryAfter: number | undefined;
    for (const tag of candidates) {
      const before = this.#clock.now();
      try {
        const unlocked = await attempt({ user, tag });
        if (unlocked) return { unlocked };
        longest = Math.max(longest, this.#clock.now() - before);
      } catch (error) {
        if (!(error instanceof SottoError && error.status === 429)) throw error;
        retryAfter = Math.max(retryAfter ?? 0, error.retryAfter ?? 1);
      }
    }
    const rounds = Math.ceil(candidates.length / TRIES) * TRIES;
    await this.#clock.sleep(Math.max(0, start + rounds * longest - this.#clock.now()));
    return { unlocked: null, retryAfter };
  }

  #get(tag: string) {
    const open = this.#open.get(tag);
    if (!open) throw Object.assign(new Error('the secret tag is locked'), { name: 'Locked' });
    return open;
  }
}

function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/**
 * The tag that is tried for a user without secret tags: always the same one, so that the server slows it down like a
 * real one.
 */
async function decoy(user: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`sotto/v1/no-secret-tag${user}`));
  const hex = Array.from(new Uint8Array(digest, 0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-8$4-$5');
}
