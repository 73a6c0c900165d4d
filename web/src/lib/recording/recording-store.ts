/** The pending recordings in the draft database, one per entry, encrypted as drafts are. */

import { open, openBytes } from '../drafts/cipher';
import { database, type RecordingRow } from '../drafts/draft-database';
import type { Environment } from '../drafts/drafts';
import { chunksOf, recordingContext, RecordingWriter, replaceRecording, type RecordingInfo } from './recording-writer';

export type StoredRecording = RecordingInfo & { blob: Blob };

type StoreEnvironment = Pick<Environment, 'user' | 'accountKey' | 'secretKey' | 'unlockedTagIds' | 'now'>;

export class RecordingStore {
  readonly #environment: StoreEnvironment;

  constructor(environment: StoreEnvironment) {
    this.#environment = environment;
  }

  /** Starts a recording of this entry, in place of the stored one. null if nothing can be encrypted or stored now. */
  async start(id: string, secretTagId: string | null): Promise<RecordingWriter | null> {
    try {
      const key = await this.#key(secretTagId);
      return (
        key && (await RecordingWriter.start(key, this.#environment.user(), id, secretTagId, this.#environment.now()))
      );
    } catch {
      return null;
    }
  }

  /**
   * Replaces the stored recording of this entry by a complete one, in one transaction. Returns false if that is not
   * possible now; then the stored recording stays.
   */
  async put(id: string, secretTagId: string | null, blob: Blob, seconds: number): Promise<boolean> {
    try {
      const key = await this.#key(secretTagId);
      if (!key) return false;
      const info: RecordingInfo = { type: blob.type, seconds, secretTagId, at: this.#environment.now() };
      await RecordingWriter.storeWhole(key, this.#environment.user(), id, info, blob);
      return true;
    } catch {
      return false;
    }
  }

  /** Whether a recording of this entry is stored, decryptable or not. */
  async has(id: string): Promise<boolean> {
    try {
      return (await (await database()).count('pieces', chunksOf(this.#environment.user(), id))) > 0;
    } catch {
      return false;
    }
  }

  /**
   * Returns the recording of this entry, or null; `locked` if there is, or may be, one that cannot be decrypted now.
   */
  async read(id: string): Promise<StoredRecording | 'locked' | null> {
    const user = this.#environment.user();
    try {
      const db = await database();
      const stored = await db.get('takes', [user, id]);
      if (!stored || !(await this.has(id))) return null;
      const opened = await this.#open(stored);
      if (!opened) return 'locked';
      const { key, info } = opened;
      const context = recordingContext(user, id, stored.take);
      const rows = await db.getAll('pieces', IDBKeyRange.bound([user, id, stored.take], [user, id, stored.take, []]));
      const chunks = await Promise.all(rows.map(({ number, box }) => openBytes(key, `${context}/${number}`, box)));
      // A recording can be played up to the first damaged chunk.
      const damaged = chunks.indexOf(undefined);
      const intact = (damaged < 0 ? chunks : chunks.slice(0, damaged)) as ArrayBuffer[];
      return intact.length > 0 ? { ...info, blob: new Blob(intact, { type: info.type }) } : null;
    } catch {
      // The browser has withdrawn the storage, perhaps for a moment.
      return 'locked';
    }
  }

  /** The recordings that can be decrypted now, with the ids of their entries. */
  async list(): Promise<({ id: string } & RecordingInfo)[]> {
    try {
      const user = this.#environment.user();
      const rows = await (await database()).getAll('takes', IDBKeyRange.bound([user], [user, []]));
      const found = await Promise.all(
        rows.map(async (row) => {
          const opened = (await this.has(row.id)) && (await this.#open(row));
          return opened ? [{ id: row.id, ...opened.info }] : [];
        }),
      );
      return found.flat();
    } catch {
      return [];
    }
  }

  /** Deletes the recording of this entry. */
  async discard(id: string): Promise<void> {
    await replaceRecording(this.#environment.user(), id).catch(() => {});
  }

  async #open({ user, id, take, box }: RecordingRow): Promise<{ key: CryptoKey; info: RecordingInfo } | null> {
    for (const key of await this.#keys()) {
      const info = (await open(key, recordingContext(user, id, take), box)) as RecordingInfo | undefined;
      if (info) return { key, info };
    }
    return null;
  }

  async #key(secretTagId: string | null): Promise<CryptoKey | null> {
    return secretTagId === null ? this.#environment.accountKey() : this.#environment.secretKey(secretTagId);
  }

  async #keys(): Promise<CryptoKey[]> {
    const keys = [null, ...this.#environment.unlockedTagIds()].map((tag) => this.#key(tag));
    return (await Promise.all(keys)).filter((key) => key !== null);
  }
}
