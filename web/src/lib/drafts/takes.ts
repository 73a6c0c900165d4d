/**
 * Recordings that are not kept with their entry yet, on this device: piece by piece as they come, encrypted as drafts are. A
 * crash leaves all but the last second.
 */

import { v7 as uuid } from 'uuid';

import { open, openBytes, seal, sealBytes } from './cipher';
import type { Environment } from './drafts';
import { database, part, requireAccount, type Sealed, type Take as Row } from './shelf';

/** What is known of a recording. `type` as in a Blob; `at` is when it was begun, in ms. */
export type About = { type: string; seconds: number; secretTagId: string | null; at: number };
export type Found = About & { blob: Blob };

type Where = Pick<Environment, 'user' | 'accountKey' | 'secretKey' | 'openSecretTags' | 'now'>;

export class Takes {
  readonly #in: Where;

  constructor(where: Where) {
    this.#in = where;
  }

  /** Begins to store one, in place of what is stored of this entry; null if nothing can be encrypted or stored now. */
  async begin(id: string, secretTagId: string | null): Promise<Reel | null> {
    try {
      const key = await this.#key(secretTagId);
      return key && (await Reel.begin(key, this.#in.user(), id, secretTagId, this.#in.now()));
    } catch {
      return null;
    }
  }

  /**
   * Stores one that is whole, in place of what is stored of this entry: at once, so that a crash loses neither. False if that
   * is not possible now; then what is stored stays.
   */
  async put(id: string, secretTagId: string | null, blob: Blob, seconds: number): Promise<boolean> {
    try {
      const key = await this.#key(secretTagId);
      if (!key) return false;
      await Reel.put(key, this.#in.user(), id, { type: blob.type, seconds, secretTagId, at: this.#in.now() }, blob);
      return true;
    } catch {
      return false;
    }
  }

  /** Whether anything is stored of this entry, be it closed or not. */
  async has(id: string): Promise<boolean> {
    try {
      return (await (await database()).count('pieces', piecesOf(this.#in.user(), id))) > 0;
    } catch {
      return false;
    }
  }

  /** What is stored of this entry, or null; `closed` if something is, or may be, that cannot be opened now. */
  async read(id: string): Promise<Found | 'closed' | null> {
    const user = this.#in.user();
    try {
      const db = await database();
      const stored = await db.get('takes', [user, id]);
      if (!stored || !(await this.has(id))) return null;
      const opened = await this.#open(stored);
      if (!opened) return 'closed';
      const { key, about } = opened;
      const boxes = await db.getAll('pieces', IDBKeyRange.bound([user, id, stored.take], [user, id, stored.take, []]));
      const pieces = await Promise.all(boxes.map(({ number, box }) => openBytes(key, `${placeOf(user, id, stored.take)}/${number}`, box)));
      // It can be played up to the first piece that is damaged, and no further.
      const damaged = pieces.indexOf(undefined);
      const whole = (damaged < 0 ? pieces : pieces.slice(0, damaged)) as ArrayBuffer[];
      return whole.length > 0 ? { ...about, blob: new Blob(whole, { type: about.type }) } : null;
    } catch {
      // The browser took its storage away, maybe for now.
      return 'closed';
    }
  }

  /** The entries of which something is stored that can be opened now. */
  async list(): Promise<({ id: string } & About)[]> {
    try {
      const rows = await (await database()).getAll('takes', IDBKeyRange.bound([this.#in.user()], [this.#in.user(), []]));
      const found = await Promise.all(
        rows.map(async (row) => {
          const opened = (await this.has(row.id)) && (await this.#open(row));
          return opened ? [{ id: row.id, ...opened.about }] : [];
        }),
      );
      return found.flat();
    } catch {
      return [];
    }
  }

  /** Throws away what is stored of this entry. */
  async remove(id: string): Promise<void> {
    await clear(this.#in.user(), id).catch(() => {});
  }

  async #open({ user, id, take, box }: Row): Promise<{ key: CryptoKey; about: About } | null> {
    for (const key of await this.#keys()) {
      const about = (await open(key, placeOf(user, id, take), box)) as About | undefined;
      if (about) return { key, about };
    }
    return null;
  }

  async #key(secretTagId: string | null): Promise<CryptoKey | null> {
    return secretTagId === null ? this.#in.accountKey() : this.#in.secretKey(secretTagId);
  }

  async #keys(): Promise<CryptoKey[]> {
    const keys = [null, ...this.#in.openSecretTags()].map((tag) => this.#key(tag));
    return (await Promise.all(keys)).filter((key) => key !== null);
  }
}

/** One recording on its way to the device. It has its key, so that it goes on when the secret tag is closed meanwhile. */
export class Reel {
  /** Called when something could not be stored: then nothing of it is. */
  onlost: () => void = () => {};

  readonly #take = uuid();
  readonly #key: CryptoKey;
  readonly #user: string;
  readonly #id: string;
  readonly #about: Pick<About, 'secretTagId' | 'at'>;
  #count = 0;
  #lost = false;
  #chain: Promise<void> = Promise.resolve();

  private constructor(key: CryptoKey, user: string, id: string, about: Pick<About, 'secretTagId' | 'at'>) {
    this.#key = key;
    this.#user = user;
    this.#id = id;
    this.#about = about;
  }

  static async begin(key: CryptoKey, user: string, id: string, secretTagId: string | null, at: number): Promise<Reel> {
    requireAccount(user);
    const reel = new Reel(key, user, id, { secretTagId, at });
    await clear(user, id, { take: reel.#take, box: await reel.#box('', 0) });
    return reel;
  }

  /** @throws if it cannot be stored; then all is as it was. */
  static async put(key: CryptoKey, user: string, id: string, { type, seconds, ...about }: About, blob: Blob): Promise<void> {
    requireAccount(user);
    const reel = new Reel(key, user, id, about);
    const piece = await sealBytes(key, `${placeOf(user, id, reel.#take)}/0`, await blob.arrayBuffer());
    await clear(user, id, { take: reel.#take, box: await reel.#box(type, seconds), piece });
  }

  /** Adds what was recorded since, and how long all of it is. */
  add(piece: Blob, seconds: number): void {
    this.#chain = this.#chain.then(() => this.#add(piece, seconds)).catch(() => this.#lose());
  }

  /** Whether all that was added is stored, once it is. */
  async done(): Promise<boolean> {
    await this.#chain;
    return !this.#lost;
  }

  async #add(piece: Blob, seconds: number): Promise<void> {
    if (this.#lost) return;
    const number = this.#count++;
    const place = placeOf(this.#user, this.#id, this.#take);
    const box = await sealBytes(this.#key, `${place}/${number}`, await piece.arrayBuffer());
    const about = await this.#box(piece.type, seconds);
    const tx = (await database()).transaction(['takes', 'pieces'], 'readwrite');
    const stored = await tx.objectStore('takes').get([this.#user, this.#id]);
    // Another tab has thrown it away, or the person the account.
    if (stored?.take !== this.#take) throw new Error('it is not there any more');
    part(tx.objectStore('pieces').put({ user: this.#user, id: this.#id, take: this.#take, number, box }));
    part(tx.objectStore('takes').put({ user: this.#user, id: this.#id, take: this.#take, box: about }));
    await tx.done;
  }

  /** The device is full, most likely. What is there already would not play to its end, and takes room. */
  async #lose(): Promise<void> {
    if (this.#lost) return;
    this.#lost = true;
    this.onlost();
    await clear(this.#user, this.#id, undefined, this.#take).catch(() => {});
  }

  #box(type: string, seconds: number) {
    const about: About = { ...this.#about, type, seconds };
    return seal(this.#key, placeOf(this.#user, this.#id, this.#take), about);
  }
}

type Next = { take: string; box: Sealed; piece?: Sealed };

/** Takes away what is stored of an entry, or this take alone; another one takes its place. */
async function clear(user: string, id: string, next?: Next, only?: string): Promise<void> {
  const tx = (await database()).transaction(['takes', 'pieces'], 'readwrite');
  try {
    const stored = await tx.objectStore('takes').get([user, id]);
    if (!only || stored?.take === only) {
      part(tx.objectStore('pieces').delete(piecesOf(user, id)));
      part(next ? tx.objectStore('takes').put({ user, id, take: next.take, box: next.box }) : tx.objectStore('takes').delete([user, id]));
      if (next?.piece) part(tx.objectStore('pieces').put({ user, id, take: next.take, number: 0, box: next.piece }));
    }
  } catch (error) {
    // Otherwise half of it would be done.
    tx.abort();
    await tx.done.catch(() => {});
    throw error;
  }
  await tx.done;
}

const piecesOf = (user: string, id: string) => IDBKeyRange.bound([user, id], [user, id, []]);
const placeOf = (user: string, id: string, take: string) => `sotto/v1/take/${user}/${id}/${take}`;
