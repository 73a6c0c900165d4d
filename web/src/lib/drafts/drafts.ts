/**
 * Drafts of the signed-in user, kept on this device until the server has them.
 *
 * Two tabs may write the same draft. Each tab remembers the stamp of the text that it saw last ({@link TabDraft}). A
 * save over an unknown stamp turns the other text into a conflict copy in the same transaction: the later edit wins,
 * and the earlier one stays reachable. Tabs in which the user has not typed since load the newer text when they are
 * notified (other-tabs.ts), so that this is rare. outbox.svelte.ts sends drafts to the server.
 */

import { v7 as uuid } from 'uuid';

import { draftContext, open, seal } from './cipher';
import type { Box, ConflictCopyRow, Slot } from './draft-database';
import { databaseStore, memoryStore, type DraftStore } from './draft-store';
import { NO_BASE, type BaseVersion, type EntryText } from './entry-text';

/** `editedAt` is in ms since 1970. */
export type SavedDraft = {
  id: string;
  stamp: string;
  written: EntryText;
  secretTagId: string | null;
  editedAt: number;
};
/** A version of a text that a later one has replaced. `at` is in ms since 1970. */
export type ConflictCopy = { key: string; id: string; at: number; written: EntryText; secretTagId: string | null };
export type LoadedDraft = { saved: SavedDraft | null; base: BaseVersion };

/**
 * What this tab knows of a draft. There is one object per entry and tab, which is updated with every change of the
 * store.
 */
export type TabDraft = {
  /** The stamp of the draft that this tab saw last. */
  seen: string | null;
  base: BaseVersion;
  /** `base` as it was encrypted last. */
  sealed?: { base: BaseVersion; box: Box };
};

/** `durable`: the draft survives the page. `displaced`: a text of another tab became a conflict copy. */
export type SaveResult = { stamp: string; durable: boolean; displaced: boolean };

export type Environment = {
  user: () => string;
  /** null: nothing can be encrypted now, so nothing is stored. */
  accountKey: () => Promise<CryptoKey | null>;
  /** null: the tag is locked. */
  secretKey: (secretTagId: string) => Promise<CryptoKey> | null;
  unlockedTagIds: () => string[];
  /** Milliseconds since 1970. */
  now: () => number;
  /** Notifies the other tabs that a draft has changed. */
  announce: (id: string) => void;
};

type Content = { written: EntryText; secretTagId: string | null; editedAt: number };

/** The draft belongs under a secret tag that is locked. */
export class TagLocked extends Error {
  override name = 'TagLocked';
}

export class Drafts {
  readonly #environment: Environment;
  readonly #database: DraftStore;
  readonly #memory = memoryStore();
  readonly #tabDrafts = new Map<string, TabDraft>();
  /** The keys of the secret tags under which this tab writes: the last text is saved when the tag is already locked. */
  readonly #secretKeys = new Map<string, CryptoKey>();

  constructor(environment: Environment, store: DraftStore = databaseStore) {
    this.#environment = environment;
    this.#database = store;
  }

  /** Whether this tab has loaded, saved or started this draft. */
  isInTab(id: string): boolean {
    return this.#tabDrafts.has(id);
  }

  inTab(id: string): TabDraft {
    let known = this.#tabDrafts.get(id);
    if (!known) this.#tabDrafts.set(id, (known = { seen: null, base: NO_BASE }));
    return known;
  }

  /**
   * Saves a text in place of the one before.
   *
   * @throws TagLocked if it belongs under a secret tag that is locked.
   */
  async save(id: string, written: EntryText, secretTagId: string | null): Promise<SaveResult> {
    const content: Content = { written, secretTagId, editedAt: this.#environment.now() };
    const key = await this.#key(secretTagId);
    if (!key) return this.#saveIn(this.#memory, null, id, content);
    try {
      const result = await this.#saveIn(this.#database, key, id, content);
      await this.#memory.change(this.#environment.user(), id, () => ({ slot: { draft: null, base: null } }));
      return result;
    } catch {
      // The disk is full, or the browser has withdrawn the storage.
      return this.#saveIn(this.#memory, null, id, content);
    }
  }

  /**
   * Reads a draft and makes it the version that this tab knows. null if there is none, or none that can be decrypted.
   */
  async load(id: string): Promise<LoadedDraft | null> {
    const found = await this.#read(id);
    if (!found) return null;
    const known = this.inTab(id);
    known.seen = found.saved?.stamp ?? null;
    known.base = found.base;
    return found;
  }

  /** Like {@link load}, without a change of what this tab knows. */
  async read(id: string): Promise<LoadedDraft | null> {
    return this.#read(id);
  }

  /** The drafts that can be decrypted now, the latest first. */
  async list(): Promise<SavedDraft[]> {
    const user = this.#environment.user();
    const ids = new Set<string>();
    for (const store of [this.#memory, this.#database]) {
      for (const { id, draft } of await store.all(user).catch(() => [])) if (draft) ids.add(id);
    }
    const found = await Promise.all([...ids].map((id) => this.#read(id)));
    return found.flatMap((draft) => draft?.saved ?? []).sort((a, b) => b.editedAt - a.editedAt);
  }

  /**
   * Changes the base version of a draft. `sent` is the stamp of the draft that the server has now: that draft is
   * deleted, unless it has changed since. `only` restricts the change to a draft with this stamp. Returns false if
   * there is no such draft.
   */
  async setBase(
    id: string,
    secretTagId: string | null,
    base: BaseVersion,
    options: { sent?: string; only?: string } = {},
  ): Promise<boolean> {
    const [store, key] = await this.#storeOf(id, secretTagId);
    const user = this.#environment.user();
    const box = await this.#box(key, id, base);
    const known = this.#tabDrafts.get(id);
    let done = false;
    await store.change(user, id, ({ draft }) => {
      if (!draft || (options.only && draft.stamp !== options.only)) return null;
      done = true;
      const sent = draft.stamp === options.sent;
      if (known) {
        known.base = base;
        known.sealed = { base, box };
        if (sent && known.seen === draft.stamp) known.seen = null;
      }
      return { slot: { draft: sent ? null : draft, base: { revision: base.revision, box } } };
    });
    if (done && store === this.#memory && options.sent) await this.#discardOlder(id);
    if (done) this.#environment.announce(id);
    return done;
  }

  async discard(id: string): Promise<void> {
    const user = this.#environment.user();
    for (const store of [this.#memory, this.#database]) {
      await store.change(user, id, () => ({ slot: { draft: null, base: null } })).catch(() => {});
    }
    this.#tabDrafts.delete(id);
    this.#environment.announce(id);
  }

  /** Forgets the base version of an entry that this tab has stopped editing, if no draft needs it. */
  async release(id: string): Promise<void> {
    const user = this.#environment.user();
    for (const store of [this.#memory, this.#database]) {
      await store
        .change(user, id, (slot) => (slot.draft ? null : { slot: { draft: null, base: null } }))
        .catch(() => {});
    }
    this.#tabDrafts.delete(id);
  }

  async saveConflictCopy(id: string, written: EntryText, secretTagId: string | null): Promise<void> {
    const key = await this.#key(secretTagId);
    const user = this.#environment.user();
    const at = this.#environment.now();
    const content: Content = { written, secretTagId, editedAt: at };
    const copy = async (key: CryptoKey | null): Promise<ConflictCopyRow> => ({
      key: uuid(),
      user,
      id,
      at,
      box: await this.#box(key, id, content),
    });
    if (!key) return this.#memory.saveConflictCopy(await copy(null));
    await this.#database
      .saveConflictCopy(await copy(key))
      .catch(async () => this.#memory.saveConflictCopy(await copy(null)));
    this.#environment.announce(id);
  }

  /** The conflict copies that can be decrypted now, the latest first. */
  async conflictCopies(): Promise<ConflictCopy[]> {
    const user = this.#environment.user();
    const all: ConflictCopy[] = [];
    for (const store of [this.#memory, this.#database]) {
      for (const { key, id, at, box } of await store.conflictCopies(user).catch(() => [])) {
        const content = (await this.#open(id, box)) as Content | undefined;
        if (content) all.push({ key, id, at, written: content.written, secretTagId: content.secretTagId });
      }
    }
    return all.sort((a, b) => b.at - a.at);
  }

  async discardConflictCopy(key: string): Promise<void> {
    await this.#memory.discardConflictCopy(key);
    await this.#database.discardConflictCopy(key).catch(() => {});
  }

  /** Gets the key of a secret tag under which something is about to be written. */
  async prepareKey(secretTagId: string): Promise<void> {
    await this.#key(secretTagId).catch(() => {});
  }

  /** Forgets the key of a secret tag that was locked, after the last text under it is saved. */
  forgetKey(secretTagId: string): void {
    this.#secretKeys.delete(secretTagId);
  }

  async #saveIn(store: DraftStore, key: CryptoKey | null, id: string, content: Content): Promise<SaveResult> {
    const user = this.#environment.user();
    const known = this.inTab(id);
    const box = await this.#box(key, id, content);
    const result: SaveResult = { stamp: uuid(), durable: key !== null, displaced: false };
    for (let done = false; !done;) {
      const base = known.base;
      if (known.sealed?.base !== base || 'plain' in known.sealed.box !== (key === null)) {
        known.sealed = { base, box: await this.#box(key, id, base) };
      }
      const sealedBase = known.sealed.box;
      await store.change(user, id, (slot) => {
        // The outbox has changed the base version in the meantime: encrypt the new one and try again.
        if (known.base !== base) return null;
        done = true;
        const draft = { stamp: result.stamp, box };
        // What the outbox noted about the same base version stays.
        const storedBase =
          slot.base?.revision === base.revision ? slot.base : { revision: base.revision, box: sealedBase };
        const lost = store === this.#database && slot.draft?.stamp !== known.seen ? slot.draft : null;
        result.displaced = lost !== null;
        const conflictCopies = lost ? [{ key: uuid(), user, id, at: this.#environment.now(), box: lost.box }] : [];
        return { slot: { draft, base: storedBase }, conflictCopies };
      });
    }
    if (store === this.#database) known.seen = result.stamp;
    this.#environment.announce(id);
    return result;
  }

  async #read(id: string): Promise<LoadedDraft | null> {
    const user = this.#environment.user();
    for (const store of [this.#memory, this.#database]) {
      const slot = await store.read(user, id).catch(() => null);
      if (!slot || !(slot.draft ?? slot.base)) continue;
      const content = slot.draft && ((await this.#open(id, slot.draft.box)) as Content | undefined);
      const base = slot.base && ((await this.#open(id, slot.base.box)) as BaseVersion | undefined);
      if (content === undefined || base === undefined) continue;
      const saved = content && { id, stamp: slot.draft!.stamp, ...content };
      return { saved, base: base ?? NO_BASE };
    }
    return null;
  }

  /** Discards the version that the database had accepted before later ones went to memory. */
  async #discardOlder(id: string): Promise<void> {
    const seen = this.#tabDrafts.get(id)?.seen;
    const step = ({ draft }: Slot) => (draft && draft.stamp === seen ? { slot: { draft: null, base: null } } : null);
    await this.#database.change(this.#environment.user(), id, step).catch(() => {});
  }

  async #storeOf(id: string, secretTagId: string | null): Promise<[DraftStore, CryptoKey | null]> {
    if ((await this.#memory.read(this.#environment.user(), id)).draft) return [this.#memory, null];
    const key = await this.#key(secretTagId);
    return key ? [this.#database, key] : [this.#memory, null];
  }

  async #key(secretTagId: string | null): Promise<CryptoKey | null> {
    if (secretTagId === null) return this.#environment.accountKey();
    const known = this.#secretKeys.get(secretTagId);
    if (known) return known;
    const key = await this.#environment.secretKey(secretTagId);
    if (!key) throw new TagLocked();
    this.#secretKeys.set(secretTagId, key);
    return key;
  }

  /** The database does not say under which secret tag a draft belongs, so every available key is tried. */
  async #open(id: string, box: Box): Promise<unknown> {
    const context = draftContext(this.#environment.user(), id);
    const found = await open('plain' in box ? null : await this.#environment.accountKey(), context, box);
    if (found !== undefined) return found;
    for (const tag of this.#environment.unlockedTagIds()) {
      const opened = await open((await this.#environment.secretKey(tag)) ?? null, context, box);
      if (opened !== undefined) return opened;
    }
    return undefined;
  }

  async #box(key: CryptoKey | null, id: string, value: unknown): Promise<Box> {
    return key ? seal(key, draftContext(this.#environment.user(), id), value) : { plain: value };
  }
}
