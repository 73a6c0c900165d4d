/** One entry while it is being written: the text on the page, and its way to this device and to the server. */

import { isEmpty, NO_BASE, textOf, type BaseVersion, type EntryText, type ServerVersion } from '../drafts/entry-text';
import { registerSaver } from '../drafts/autosave';
import { otherTabs } from '../drafts/other-tabs';
import { outbox } from '../drafts/outbox.svelte';
import { drafts } from '../drafts/user-drafts';
import type { Entry } from '../entries/entry';
import { hasPendingRecording } from '../recording/pending-recordings';
import type { Editor } from './codemirror';
import { discardDraft, recreateDraft } from './discard';
import { isVisible } from './draft-label';
import { DraftSaver } from './draft-saver.svelte';
import { WordCount } from './word-count.svelte';

/** The sessions of this tab. An entry has two for a moment when its page is left and opened again. */
const sessions = new Set<WritingSession>();

/** Takes what is written under a secret tag off the screen, because the tag is being locked. */
export function lockWriting(secretTagId: string): void {
  for (const writing of sessions) if (writing.secretTagId === secretTagId) writing.locked = true;
}

export class WritingSession {
  readonly id: string;
  title = $state('');
  tags = $state<string[]>([]);
  date = $state('');
  zone = $state('');
  secretTagId = $state<string | null>(null);
  /** There is neither a title nor a text. */
  empty = $state(true);
  /** Whether the server has the entry, as far as this tab knows. */
  onServer = $state(false);
  /** The secret tag of the entry was locked. */
  locked = $state(false);

  readonly saver: DraftSaver;
  readonly #wordCount = new WordCount();
  /** The text while there is no editor. */
  #text: string;
  #editor: Editor | null = null;
  #unregister: (() => void)[] = [];

  private constructor(id: string, written: EntryText, base: BaseVersion, secretTagId: string | null) {
    this.id = id;
    this.#text = written.content;
    this.secretTagId = secretTagId;
    this.saver = new DraftSaver({ id, text: () => this.written(), secretTagId: () => this.secretTagId });
    this.#show(written, base);
    this.#unregister = [registerSaver(() => this.saver.save()), otherTabs.followDraft(id, () => void this.#follow())];
    sessions.add(this);
    if (secretTagId !== null) void drafts.prepareKey(secretTagId);
  }

  /** Starts a new entry. */
  static create(id: string, written: EntryText, secretTagId: string | null): WritingSession {
    drafts.inTab(id).base = NO_BASE;
    return new WritingSession(id, written, NO_BASE, secretTagId);
  }

  /** Continues the draft on this device. Returns null if there is none. */
  static async resume(id: string): Promise<WritingSession | null> {
    const found = await drafts.load(id);
    // A draft in memory is not encrypted, so it can be loaded even if its secret tag is locked.
    if (!found?.saved || !isVisible(found.saved)) return null;
    const writing = new WritingSession(id, found.saved.written, found.base, found.saved.secretTagId);
    writing.saver.state = 'saved';
    void outbox.send(id);
    return writing;
  }

  /** Edits an entry as the server has it. */
  static edit(entry: Entry): WritingSession {
    const base: BaseVersion = { revision: entry.revision, written: textOf(entry) };
    const known = drafts.inTab(entry.id);
    known.seen = null;
    known.base = base;
    return new WritingSession(entry.id, base.written!, base, entry.secretTagId);
  }

  get delivery() {
    return outbox.delivery(this.id);
  }

  get words(): number {
    return this.#wordCount.words;
  }

  /** The text of the base version, from which both sides of a conflict started. */
  get baseText(): string | null {
    return drafts.inTab(this.id).base.written?.content ?? null;
  }

  get text(): string {
    return this.#editor?.text() ?? this.#text;
  }

  written(): EntryText {
    // `[...tags]`, because IndexedDB cannot store the proxies of Svelte.
    return { title: this.title || null, content: this.text, tags: [...this.tags], date: this.date, zone: this.zone };
  }

  /** Chooses the secret tag of a new entry. Returns false if a pending recording would not move with it. */
  async moveUnder(secretTagId: string | null): Promise<boolean> {
    if (await hasPendingRecording(this.id)) return false;
    this.secretTagId = secretTagId;
    if (secretTagId !== null) void drafts.prepareKey(secretTagId);
    return true;
  }

  /** From now on, the editor has the text. */
  attach(editor: Editor): void {
    this.#editor = editor;
  }

  /** Has to be called after every change of the user. */
  changed(): void {
    this.empty = this.title.trim() === '' && (this.#editor?.isEmpty() ?? this.#text === '');
    this.saver.changed(this.#editor?.view.state.doc.length ?? 0);
    this.#countWords();
  }

  /** Saves the draft and sends it at once. */
  async save(): Promise<void> {
    await this.saver.save();
    await outbox.send(this.id);
  }

  /** Ends the session when its page is left. The draft is saved and sent, or discarded if it is empty. */
  async close(): Promise<void> {
    const text = this.text;
    await this.saver.save();
    this.#editor = null;
    this.#text = text;
    for (const step of this.#unregister) step();
    this.#wordCount.stop();
    sessions.delete(this);
    const found = await drafts.read(this.id);
    const nothing = found?.saved && found.base.revision === null && isEmpty(found.saved.written);
    // A recording is worth as much as a text.
    if (nothing && !(await hasPendingRecording(this.id))) await discardDraft(this.id);
    else await outbox.send(this.id);
    // The user may have returned to the entry in the meantime.
    if ([...sessions].some(({ id }) => id === this.id)) return;
    await drafts.release(this.id);
    if (outbox.delivery(this.id)?.phase === 'sent') outbox.clearDelivery(this.id);
  }

  /**
   * Decides a conflict for `text`; the server's version becomes a conflict copy. If the entry was deleted on the
   * server, the draft is re-created, and the new id returned.
   */
  async keepMine(text: string): Promise<string | null> {
    let recreated: string | null = null;
    await this.#decide(async (other) => {
      if (!other) return void (recreated = await this.recreate());
      if (text !== this.text) {
        await this.#saveConflictCopy();
        this.#editor?.write(text);
      }
      await drafts.saveConflictCopy(this.id, other.written, this.secretTagId);
      drafts.inTab(this.id).base = { revision: other.revision, written: other.written };
      await this.saver.saveAgain();
    });
    if (!recreated) await outbox.send(this.id);
    return recreated;
  }

  /**
   * Decides a conflict for the server's version; the draft becomes a conflict copy. Returns false if the entry was
   * deleted.
   */
  async useTheirs(): Promise<boolean> {
    let exists = true;
    await this.#decide(async (other) => {
      await this.#saveConflictCopy();
      await drafts.discard(this.id);
      exists = other !== null;
      if (!other) return;
      const base = { revision: other.revision, written: other.written };
      drafts.inTab(this.id).base = base;
      this.#adopt(other.written, base);
    });
    return exists;
  }

  /** Puts a conflict copy back on the page; the present text becomes a conflict copy. */
  async restore({ title, content, tags }: EntryText): Promise<void> {
    await this.#saveConflictCopy();
    this.title = title ?? '';
    this.tags = [...tags];
    this.#editor?.write(content);
    this.changed();
    await this.save();
  }

  /** Re-creates the draft under a new id, because its entry was deleted. Returns that id. */
  async recreate(): Promise<string> {
    await this.#endSaving();
    return recreateDraft(this.id, this.written(), this.secretTagId);
  }

  /** Discards a draft that the server does not have. Returns false if the server has it. */
  async discard(): Promise<boolean> {
    await this.#endSaving();
    return discardDraft(this.id);
  }

  /**
   * Discards the entry here and on the server; the page is a new one again. Nothing changes if the server is
   * unreachable.
   */
  async withdraw(): Promise<void> {
    await this.saver.finishSaving();
    const { changes } = this.saver;
    try {
      await outbox.withdraw(this.id, this.secretTagId);
    } catch {
      return;
    }
    drafts.inTab(this.id).base = NO_BASE;
    this.onServer = false;
    // Text that the user has written in the meantime becomes a new entry.
    if (changes !== this.saver.changes) return;
    this.saver.markReplaced();
    this.#adopt({ ...this.written(), title: null, content: '' }, NO_BASE);
  }

  async #endSaving(): Promise<void> {
    await this.saver.finishSaving();
    this.saver.markSaved();
  }

  #saveConflictCopy(): Promise<void> {
    return drafts.saveConflictCopy(this.id, this.written(), this.secretTagId);
  }

  async #decide(run: (other: ServerVersion) => Promise<void>): Promise<void> {
    await this.saver.save();
    const { delivery } = this;
    if (delivery?.phase !== 'conflict') return;
    await run(delivery.other);
    outbox.clearDelivery(this.id);
  }

  /** Another tab has changed the draft. If nothing was typed here since, this tab shows the newer text. */
  async #follow(): Promise<void> {
    const known = drafts.inTab(this.id);
    const found = await drafts.read(this.id);
    if (!found || !this.saver.upToDate) return;
    const { saved, base } = found;
    if (saved?.stamp !== known.seen && saved) {
      known.seen = saved.stamp;
      known.base = base;
      this.#adopt(saved.written, base);
      this.saver.state = 'saved';
    } else if (!saved && base.revision !== known.base.revision && base.written) {
      known.seen = null;
      known.base = base;
      this.#adopt(base.written, base);
      outbox.markSentByOtherTab(this.id);
    } else if (saved) {
      known.base = base;
    }
    if (base.other !== undefined) void outbox.send(this.id);
  }

  /** Shows a text that is not a change of the user. */
  #adopt(written: EntryText, base: BaseVersion): void {
    this.#text = written.content;
    this.#editor?.adopt(written.content);
    this.#show(written, base);
    this.saver.state = 'unchanged';
  }

  #show({ title, content, tags, date, zone }: EntryText, base: BaseVersion): void {
    this.title = title ?? '';
    this.tags = [...tags];
    this.date = date;
    this.zone = zone;
    this.empty = !title?.trim() && content === '';
    this.onServer = base.revision !== null;
    this.#countWords();
  }

  #countWords(): void {
    this.#wordCount.update(() => `${this.title}\n${this.text}`);
  }
}
