/**
 * Writes one recording to the draft database, chunk by chunk while it is made: a crash loses the last second at most.
 */

import { v7 as uuid } from 'uuid';

import { seal, sealBytes } from '../drafts/cipher';
import { database, handled, requireAccount, type Sealed } from '../drafts/draft-database';

/** `type` as in a Blob; `at` is when the recording was started, in ms since 1970. Stored: the names must not change. */
export type RecordingInfo = { type: string; seconds: number; secretTagId: string | null; at: number };

/** It holds the key, and so can finish although the secret tag has been locked. */
export class RecordingWriter {
  /** Called when a chunk could not be stored; then the whole recording is deleted from the device. */
  onlost: () => void = () => {};

  readonly #recording = uuid();
  readonly #key: CryptoKey;
  readonly #user: string;
  readonly #id: string;
  readonly #info: Pick<RecordingInfo, 'secretTagId' | 'at'>;
  #count = 0;
  #lost = false;
  #chain: Promise<void> = Promise.resolve();

  private constructor(key: CryptoKey, user: string, id: string, info: Pick<RecordingInfo, 'secretTagId' | 'at'>) {
    this.#key = key;
    this.#user = user;
    this.#id = id;
    this.#info = info;
  }

  /** Starts a recording of this entry, in place of the stored one. */
  static async start(
    key: CryptoKey,
    user: string,
    id: string,
    secretTagId: string | null,
    at: number,
  ): Promise<RecordingWriter> {
    requireAccount(user);
    const writer = new RecordingWriter(key, user, id, { secretTagId, at });
    await replaceRecording(user, id, { take: writer.#recording, box: await writer.#sealInfo('', 0) });
    return writer;
  }

  /** Stores a complete recording, in place of the stored one. @throws if that fails; then the stored one stays. */
  static async storeWhole(
    key: CryptoKey,
    user: string,
    id: string,
    { type, seconds, ...info }: RecordingInfo,
    blob: Blob,
  ): Promise<void> {
    requireAccount(user);
    const writer = new RecordingWriter(key, user, id, info);
    const chunk = await sealBytes(key, `${recordingContext(user, id, writer.#recording)}/0`, await blob.arrayBuffer());
    await replaceRecording(user, id, { take: writer.#recording, box: await writer.#sealInfo(type, seconds), chunk });
  }

  /** Adds the next chunk. `seconds` is the length of the whole recording so far. */
  add(chunk: Blob, seconds: number): void {
    this.#chain = this.#chain.then(() => this.#add(chunk, seconds)).catch(() => this.#lose());
  }

  /** Waits for the added chunks. Returns whether all of them are stored. */
  async done(): Promise<boolean> {
    await this.#chain;
    return !this.#lost;
  }

  async #add(chunk: Blob, seconds: number): Promise<void> {
    if (this.#lost) return;
    const number = this.#count++;
    const context = recordingContext(this.#user, this.#id, this.#recording);
    const box = await sealBytes(this.#key, `${context}/${number}`, await chunk.arrayBuffer());
    const info = await this.#sealInfo(chunk.type, seconds);
    const tx = (await database()).transaction(['takes', 'pieces'], 'readwrite');
    const stored = await tx.objectStore('takes').get([this.#user, this.#id]);
    // Another tab has discarded or replaced the recording, or the account was deleted.
    if (stored?.take !== this.#recording) throw new Error('the recording was discarded');
    handled(tx.objectStore('pieces').put({ user: this.#user, id: this.#id, take: this.#recording, number, box }));
    handled(tx.objectStore('takes').put({ user: this.#user, id: this.#id, take: this.#recording, box: info }));
    await tx.done;
  }

  /** Most likely the device is full. The chunks stored so far would not play to the end, and take room. */
  async #lose(): Promise<void> {
    if (this.#lost) return;
    this.#lost = true;
    this.onlost();
    await replaceRecording(this.#user, this.#id, undefined, this.#recording).catch(() => {});
  }

  #sealInfo(type: string, seconds: number) {
    const info: RecordingInfo = { ...this.#info, type, seconds };
    return seal(this.#key, recordingContext(this.#user, this.#id, this.#recording), info);
  }
}

/**
 * Deletes the stored recording of an entry and puts `next` in its place, atomically. With `only`, nothing happens
 * unless the stored recording has this UUID.
 */
export async function replaceRecording(
  user: string,
  id: string,
  next?: { take: string; box: Sealed; chunk?: Sealed },
  only?: string,
): Promise<void> {
  const tx = (await database()).transaction(['takes', 'pieces'], 'readwrite');
  try {
    const stored = await tx.objectStore('takes').get([user, id]);
    if (!only || stored?.take === only) {
      handled(tx.objectStore('pieces').delete(chunksOf(user, id)));
      handled(
        next
          ? tx.objectStore('takes').put({ user, id, take: next.take, box: next.box })
          : tx.objectStore('takes').delete([user, id]),
      );
      if (next?.chunk) handled(tx.objectStore('pieces').put({ user, id, take: next.take, number: 0, box: next.chunk }));
    }
  } catch (error) {
    // Without this, the transaction would commit the requests that were made so far.
    tx.abort();
    await tx.done.catch(() => {});
    throw error;
  }
  await tx.done;
}

/** The keys of all chunks of an entry. */
export const chunksOf = (user: string, id: string) => IDBKeyRange.bound([user, id], [user, id, []]);

/** The context that the description of a recording is encrypted in; a chunk adds `/` and its number. */
export const recordingContext = (user: string, id: string, recording: string) =>
  `sotto/v1/take/${user}/${id}/${recording}`;
