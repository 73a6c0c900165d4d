/**
 * Drafts of the signed-in person, kept on this device until the server has them.
 *
 * Two tabs may write the same draft. Each remembers the stamp of the text that it last saw ({@link Hold}). Who keeps a
 * text over a stamp that it did not know puts the other text aside in the same transaction: the later edit wins, and the
 * earlier one stays reachable. A BroadcastChannel tells the other tabs, and those in which nothing was typed since take
 * the newer text over, so that this hardly ever happens. Sending is up to outbox.svelte.ts.
 */

import { v7 as uuid } from 'uuid';

import { open, place, seal } from './cipher';
import { inMemory, stored, type Aside, type Box, type Shelf, type Slot } from './shelf';
import { NOTHING, type Base, type Written } from './written';

export type Kept = { id: string; stamp: string; written: Written; secretTagId: string | null; editedAt: number };
export type SetAside = { key: string; id: string; at: number; written: Written; secretTagId: string | null };

/** What this tab knows of a draft. One object per entry and tab; whoever changes what is stored changes it as well. */
export type Hold = {
  seen: string | null;
  base: Base;
  /** `base` as it was encrypted last. */
  sealed?: { base: Base; box: Box };
};

/** `durable`: it survives the page. `displaced`: a text of another tab had to be put aside. */
export type Keeping = { stamp: string; durable: boolean; displaced: boolean };

export type Environment = {
  user: () => string;
  /** null: nothing can be encrypted now, so nothing is stored. */
  accountKey: () => Promise<CryptoKey | null>;
  /** null: the tag is locked. */
  secretKey: (secretTagId: string) => Promise<CryptoKey> | null;
  openSecretTags: () => string[];
  now: () => number;
  announce: (id: string) => void;
};

type Content = { written: Written; secretTagId: string | null; editedAt: number };

export class Locked extends Error {
  override name = 'Locked';
}

export class Drafts {
  readonly #in: Environment;
  readonly #stored: Shelf;
  readonly #memory = inMemory();
  readonly #holds = new Map<string, Hold>();
  /** While something under a secret tag is being written, its key is at hand for the moment at which the tag is closed. */
  readonly #secretKeys = new Map<string, CryptoKey>();

  constructor(environment: Environment, shelf: Shelf = stored) {
    this.#in = environment;
    this.#stored = shelf;
  }

  /** Whether this tab has to do with the entry. */
  holds(id: string): boolean {
    return this.#holds.has(id);
  }

  hold(id: string): Hold {
    let hold = this.#holds.get(id);
    if (!hold) this.#holds.set(id, (hold = { seen: null, base: NOTHING }));
    return hold;
  }

  /**
   * Keeps a text in place of the one before.
   *
   * @throws Locked if it belongs under a secret tag that is not open.
   */
  async keep(id: string, written: Written, secretTagId: string | null): Promise<Keeping> {
    const content: Content = { written, secretTagId, editedAt: this.#in.now() };
    const key = await this.#key(secretTagId);
    if (!key) return this.#keepIn(this.#memory, null, id, content);
    try {
      const keeping = await this.#keepIn(this.#stored, key, id, content);
      await this.#memory.change(this.#in.user(), id, () => ({ slot: { draft: null, base: null } }));
      return keeping;
    } catch {
      // The disk is full, or the browser took its storage away.
      return this.#keepIn(this.#memory, null, id, content);
    }
  }

  /** What is kept of this entry, as this tab sees it from now on; null if there is nothing, or nothing that can be opened. */
  async take(id: string): Promise<{ kept: Kept | null; base: Base } | null> {
    const found = await this.#read(id);
    if (!found) return null;
    const hold = this.hold(id);
    hold.seen = found.kept?.stamp ?? null;
    hold.base = found.base;
    return found;
  }

  /** Like {@link take}, for those who only look. */
  async read(id: string): Promise<{ kept: Kept | null; base: Base } | null> {
    return this.#read(id);
  }

  /** The drafts that can be opened now, the latest first. */
  async list(): Promise<Kept[]> {
    const user = this.#in.user();
    const ids = new Set<string>();
    for (const shelf of [this.#memory, this.#stored]) {
      for (const { id, draft } of await shelf.all(user).catch(() => [])) if (draft) ids.add(id);
    }
    const found = await Promise.all([...ids].map((id) => this.#read(id)));
    return found.flatMap((one) => one?.kept ?? []).sort((a, b) => b.editedAt - a.editedAt);
  }

  /**
   * Changes the ground that a draft stands on. With `sent`, the stamp of what the server has now: the draft is done with,
   * unless it changed since. False if nothing is there any more, or if `only` and the stamp is another one.
   */
  async ground(id: string, secretTagId: string | null, base: Base, options: { sent?: string; only?: string } = {}): Promise<boolean> {
    const [shelf, key] = await this.#whereItLies(id, secretTagId);
    const user = this.#in.user();
    const box = await this.#box(key, id, base);
    const hold = this.#holds.get(id);
    let done = false;
    await shelf.change(user, id, ({ draft }) => {
      if (!draft || (options.only && draft.stamp !== options.only)) return null;
      done = true;
      const sent = draft.stamp === options.sent;
      if (hold) {
        hold.base = base;
        hold.sealed = { base, box };
        if (sent && hold.seen === draft.stamp) hold.seen = null;
      }
      return { slot: { draft: sent ? null : draft, base: { revision: base.revision, box } } };
    });
    if (done && shelf === this.#memory && options.sent) await this.#forgetOlder(id);
    if (done) this.#in.announce(id);
    return done;
  }

  /** Throws a draft away. */
  async remove(id: string): Promise<void> {
    const user = this.#in.user();
    for (const shelf of [this.#memory, this.#stored]) {
      await shelf.change(user, id, () => ({ slot: { draft: null, base: null } })).catch(() => {});
    }
    this.#holds.delete(id);
    this.#in.announce(id);
  }

  /** Nobody writes at this entry any more: what the server has need not lie here as well. */
  async release(id: string): Promise<void> {
    const user = this.#in.user();
    for (const shelf of [this.#memory, this.#stored]) {
      await shelf.change(user, id, (slot) => (slot.draft ? null : { slot: { draft: null, base: null } })).catch(() => {});
    }
    this.#holds.delete(id);
  }

  /** Keeps a version that was not taken. */
  async setAside(id: string, written: Written, secretTagId: string | null): Promise<void> {
    const key = await this.#key(secretTagId);
    const user = this.#in.user();
    const at = this.#in.now();
    const content: Content = { written, secretTagId, editedAt: at };
    const aside = async (key: CryptoKey | null): Promise<Aside> => ({ key: uuid(), user, id, at, box: await this.#box(key, id, content) });
    if (!key) return this.#memory.putAside(await aside(null));
    await this.#stored.putAside(await aside(key)).catch(async () => this.#memory.putAside(await aside(null)));
    this.#in.announce(id);
  }

  /** The versions that were not taken, the latest first. */
  async asides(): Promise<SetAside[]> {
    const user = this.#in.user();
    const all: SetAside[] = [];
    for (const shelf of [this.#memory, this.#stored]) {
      for (const { key, id, at, box } of await shelf.asides(user).catch(() => [])) {
        const content = (await this.#open(id, box)) as Content | undefined;
        if (content) all.push({ key, id, at, written: content.written, secretTagId: content.secretTagId });
      }
    }
    return all.sort((a, b) => b.at - a.at);
  }

  async removeAside(key: string): Promise<void> {
    await this.#memory.removeAside(key);
    await this.#stored.removeAside(key).catch(() => {});
  }

  /** Something under a secret tag is about to be written. */
  async prepare(secretTagId: string): Promise<void> {
    await this.#key(secretTagId).catch(() => {});
  }

  /** A secret tag was closed, and what was being written under it is kept. */
  forgetSecret(secretTagId: string): void {
    this.#secretKeys.delete(secretTagId);
  }

  async #keepIn(shelf: Shelf, key: CryptoKey | null, id: string, content: Content): Promise<Keeping> {
    const user = this.#in.user();
    const hold = this.hold(id);
    const box = await this.#box(key, id, content);
    const keeping: Keeping = { stamp: uuid(), durable: key !== null, displaced: false };
    for (let done = false; !done; ) {
      const base = hold.base;
      if (hold.sealed?.base !== base || 'plain' in hold.sealed.box !== (key === null)) {
        hold.sealed = { base, box: await this.#box(key, id, base) };
      }
      const sealed = hold.sealed.box;
      await shelf.change(user, id, (slot) => {
        // The outbox was faster; the ground is another one now.
        if (hold.base !== base) return null;
        done = true;
        const draft = { stamp: keeping.stamp, box };
        // What the outbox noted about the same ground stays.
        const ground = slot.base?.revision === base.revision ? slot.base : { revision: base.revision, box: sealed };
        const lost = shelf === this.#stored && slot.draft?.stamp !== hold.seen ? slot.draft : null;
        keeping.displaced = lost !== null;
        return { slot: { draft, base: ground }, aside: lost ? [{ key: uuid(), user, id, at: this.#in.now(), box: lost.box }] : [] };
      });
    }
    if (shelf === this.#stored) hold.seen = keeping.stamp;
    this.#in.announce(id);
    return keeping;
  }

  async #read(id: string): Promise<{ kept: Kept | null; base: Base } | null> {
    const user = this.#in.user();
    for (const shelf of [this.#memory, this.#stored]) {
      const slot = await shelf.read(user, id).catch(() => null);
      if (!slot || !(slot.draft ?? slot.base)) continue;
      const content = slot.draft && ((await this.#open(id, slot.draft.box)) as Content | undefined);
      const base = slot.base && ((await this.#open(id, slot.base.box)) as Base | undefined);
      if (content === undefined || base === undefined) continue;
      const kept = content && { id, stamp: slot.draft!.stamp, ...content };
      return { kept, base: base ?? NOTHING };
    }
    return null;
  }

  /** What could still be stored before the memory had to do. */
  async #forgetOlder(id: string): Promise<void> {
    const seen = this.#holds.get(id)?.seen;
    const step = ({ draft }: Slot) => (draft && draft.stamp === seen ? { slot: { draft: null, base: null } } : null);
    await this.#stored.change(this.#in.user(), id, step).catch(() => {});
  }

  async #whereItLies(id: string, secretTagId: string | null): Promise<[Shelf, CryptoKey | null]> {
    if ((await this.#memory.read(this.#in.user(), id)).draft) return [this.#memory, null];
    const key = await this.#key(secretTagId);
    return key ? [this.#stored, key] : [this.#memory, null];
  }

  async #key(secretTagId: string | null): Promise<CryptoKey | null> {
    if (secretTagId === null) return this.#in.accountKey();
    const known = this.#secretKeys.get(secretTagId);
    if (known) return known;
    const key = await this.#in.secretKey(secretTagId);
    if (!key) throw new Locked();
    this.#secretKeys.set(secretTagId, key);
    return key;
  }

  /** What lies on the device does not say under which secret tag it belongs: each key that there is gets a try. */
  async #open(id: string, box: Box): Promise<unknown> {
    const where = place(this.#in.user(), id);
    const found = await open('plain' in box ? null : await this.#in.accountKey(), where, box);
    if (found !== undefined) return found;
    for (const tag of this.#in.openSecretTags()) {
      const opened = await open((await this.#in.secretKey(tag)) ?? null, where, box);
      if (opened !== undefined) return opened;
    }
    return undefined;
  }

  async #box(key: CryptoKey | null, id: string, value: unknown): Promise<Box> {
    return key ? seal(key, place(this.#in.user(), id), value) : { plain: value };
  }
}
