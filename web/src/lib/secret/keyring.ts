/**
 * Everything that holds a phrase or a key. It runs in a worker (worker.ts), so that stretching a phrase does not hold up
 * the page, and so that no key is in the page. The page makes the requests (`ask`): it has the login.
 */

import { SottoError, type Schemas } from '@sotto/client';
import { RecoveryKey, Vault } from '@sotto/vault';

import type { Draft, Entry, EntryQuery } from '../entries/entry';
import { decode, encode } from '../base64url';
import { login, register, suiteReady, type Ask, type LoggedIn, type Scope } from './exchange';
import { excerpt, OpenedEntries } from './search';
import { judge, type Strength } from './strength';

/** A secret tag that was opened, as the page knows it. */
export type Opened = {
  id: string;
  name: string;
  color: string | null;
  /** One more with each new phrase. */
  version: number;
  /** For `X-Sotto-Unlock`. */
  token: string;
  /** The server's session, which ends with it. */
  session: string;
  /** When it locks itself, unless it is used. */
  expiresAt: string;
  failedTries: { count: number; last: string | null };
};

/** What became of a phrase or a recovery key: something was opened, or nothing, maybe with seconds to wait. */
export type Attempt = { opened: Opened | null; retryAfter?: number };

/** What a person writes into an entry. */
export type Text = Pick<Draft, 'title' | 'content' | 'tags' | 'audio'>;
type SealedFields = Required<Pick<Schemas['JournalEntryUpdate'], 'encrypted_content' | 'encryption_iv' | 'wrapped_key' | 'wrap_iv'>>;

/** The keys of an entry's recording, and when it was stored with them, RFC 3339. */
type AudioKeys = { key: Uint8Array; formerKey?: Uint8Array; storedAt: string };
type OpenTag = { vault: Vault; token: string; entries: OpenedEntries; audio: Map<string, AudioKeys> };

/** Milliseconds since some moment, and a pause of so many. */
export type Clock = { now: () => number; sleep: (milliseconds: number) => Promise<void> };
const system: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds) => new Promise((done) => setTimeout(done, milliseconds)),
};

/** No upload is expected to take longer than this, in ms; when it clears up, the server goes by the same time. */
const UPLOAD = 3_600_000;

/** An attempt that opens nothing takes as long as this many tries, so that nobody can count secret tags by the clock. */
const TRIES = 3;

export class KeyRing {
  #ask: Ask;
  #clock: Clock;
  #open = new Map<string, OpenTag>();
  #prepared: { tag: string; phrase: string; recoveryKey: RecoveryKey; tried?: true } | null = null;

  constructor(ask: Ask, clock: Clock = system) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** Fails where this browser cannot do what it takes. */
  ready(): Promise<void> {
    return suiteReady();
  }

  strength(phrase: string, language: 'en' | 'de', known: string[]): Promise<Strength> {
    return judge(phrase, language, known);
  }

  /**
   * Tries a phrase on each of these secret tags, in this order, until one opens. Without any, on one that does not exist. Each
   * that does not open counts a failed try, and is slowed down after some: whoever puts what was opened last at the front,
   * as the server lists them, makes each fail at most once for every other one between two times that it is opened.
   */
  async open(user: string, tags: string[], phrase: string): Promise<Attempt> {
    return this.#try(user, tags, async (scope) => {
      const found = await login(scope, phrase, this.#ask);
      return found && this.#enter(scope, found, phrase);
    });
  }

  /** Keeps the phrase of a secret tag that is about to be made, and makes its recovery key, as it is shown. Nothing is stored yet. */
  async prepare(phrase: string): Promise<string> {
    this.#prepared = { tag: crypto.randomUUID(), phrase, recoveryKey: RecoveryKey.generate() };
    return this.#prepared.recoveryKey.reveal();
  }

  /** Makes and opens the one that was prepared. After a failure it can be called again: it is made once. */
  async create(user: string, name: string): Promise<Opened> {
    if (!this.#prepared) throw new Error('no recovery key was made');
    const { tag, phrase, recoveryKey, tried } = this.#prepared;
    const scope = { user, tag };
    this.#prepared.tried = true;
    let refusal: unknown;
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
      // Was it made by a try before this one, whose answer was lost? Then the phrase opens it.
      if (!(tried && error instanceof SottoError && error.status === 409)) throw error;
      refusal = error;
    }
    const found = await login(scope, phrase, this.#ask);
    if (!found) throw refusal ?? new Error('what was just made does not open');
    this.#prepared = null;
    return this.#enter(scope, found, phrase);
  }

  /** Whether this is a recovery key, as far as its check digits tell. */
  async isRecoveryKey(typed: string): Promise<boolean> {
    return RecoveryKey.parse(typed).then(
      () => true,
      () => false,
    );
  }

  /** Sets a new phrase for whichever of these secret tags the recovery key belongs to, and opens it. */
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

  /** Sets a new phrase for an open secret tag; the answer is its new version. */
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

  /** A name, sealed as the server keeps it. */
  async sealName(tag: string, name: string, color: string | null): Promise<string> {
    return encode(await this.#get(tag).vault.sealMetadata({ name, color: color ?? undefined }));
  }

  async openName(tag: string, sealed: string): Promise<{ name: string; color: string | null }> {
    const { name, color } = await this.#get(tag).vault.openMetadata(decode(sealed));
    return { name, color: color ?? null };
  }

  /** Opens entries as the server keeps them, and makes them known to the search. Null is one that does not open. */
  async openEntries(tag: string, sealed: Schemas['JournalEntry'][]): Promise<(Entry | null)[]> {
    return Promise.all(sealed.map((entry) => this.#openEntry(tag, entry).catch(() => null)));
  }

  /** As `openEntries`, for a list: with the beginning of each text. */
  async openForList(tag: string, sealed: Schemas['JournalEntry'][]): Promise<(Entry | null)[]> {
    return (await this.openEntries(tag, sealed)).map((entry) => entry && excerpt(entry));
  }

  /** Seals an entry for the revision that it is about to get. Its recording stays with it, unless the text says otherwise. */
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
   * This key opens the recording that is there. The next save leaves out the other one, unless that belongs to a recording
   * that may be on its way.
   */
  async audioOpensWith(tag: string, id: string, key: Uint8Array): Promise<void> {
    const { audio } = this.#get(tag);
    const keys = audio.get(id);
    if (!keys?.formerKey) return;
    const former = same(key, keys.formerKey);
    if (!former && !same(key, keys.key)) return;
    if (former && Date.now() - Date.parse(keys.storedAt) < UPLOAD) return;
    audio.set(id, { key, storedAt: keys.storedAt });
  }

  /** Whether an entry was opened here before: only then is it known whether it has a recording. */
  knows(tag: string, id: string): boolean {
    return this.#get(tag).entries.get(id) !== undefined;
  }

  forgetEntry(tag: string, id: string): void {
    const { entries, audio } = this.#get(tag);
    entries.remove(id);
    audio.delete(id);
  }

  /** Searches what was opened so far. */
  search(tag: string, query: EntryQuery): Entry[] {
    return this.#get(tag).entries.search(query);
  }

  draftKey(tag: string): Promise<CryptoKey> {
    return this.#get(tag).vault.draftKey();
  }

  close(tag: string): void {
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
    // What was asked for before the last save can come after it.
    if ((entries.get(entry.id)?.revision ?? 0) > entry.revision) return entry;
    if (key) audio.set(entry.id, { key, formerKey, storedAt: entry.updatedAt });
    else audio.delete(entry.id);
    entries.put(entry);
    return entry;
  }

  /** Takes the keys of what was opened. If the server has new keys of its own, the phrase is registered with those. */
  async #enter(scope: Scope, { session, exportKey, unlocked }: LoggedIn, phrase: string): Promise<Opened> {
    const vault = await Vault.unlock(scope, exportKey, decode(unlocked.wrapped_master_key));
    const { name, color } = await vault.openMetadata(decode(unlocked.metadata));
    const token = unlocked.unlock_token;
    this.#open.set(scope.tag, { vault, token, entries: new OpenedEntries(), audio: new Map() });
    let { version } = unlocked;
    if (unlocked.reregister) {
      // If this fails, the phrase goes on opening it as before, and the server asks again next time.
      version = await this.changePhrase(scope.user, scope.tag, version, phrase).catch(() => version);
    }
    const failedTries = { count: unlocked.failed_tries.count, last: unlocked.failed_tries.last ?? null };
    const expiresAt = unlocked.expires_at;
    return { id: scope.tag, name, color: color ?? null, version, token, session, expiresAt, failedTries };
  }

  async #try(user: string, tags: string[], open: (scope: Scope) => Promise<Opened | null>): Promise<Attempt> {
    const closed = tags.filter((tag) => !this.#open.has(tag));
    const candidates = closed.length > 0 ? closed : [await decoy(user)];
    const start = this.#clock.now();
    let longest = 0;
    let retryAfter: number | undefined;
    for (const tag of candidates) {
      const before = this.#clock.now();
      try {
        const opened = await open({ user, tag });
        if (opened) return { opened };
        longest = Math.max(longest, this.#clock.now() - before);
      } catch (error) {
        if (!(error instanceof SottoError && error.status === 429)) throw error;
        retryAfter = Math.max(retryAfter ?? 0, error.retryAfter ?? 1);
      }
    }
    const rounds = Math.ceil(candidates.length / TRIES) * TRIES;
    await this.#clock.sleep(Math.max(0, start + rounds * longest - this.#clock.now()));
    return { opened: null, retryAfter };
  }

  #get(tag: string) {
    const open = this.#open.get(tag);
    if (!open) throw Object.assign(new Error('this is closed'), { name: 'Locked' });
    return open;
  }
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** What stands in for the secret tags of somebody who has none: always the same one, so that it is slowed like one. */
async function decoy(user: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`sotto/v1/no-secret-tag${user}`));
  const hex = Array.from(new Uint8Array(digest, 0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-8$4-$5');
}
