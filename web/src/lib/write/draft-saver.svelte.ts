/** Saves the text of one entry on this device while it is being written, and plans when the outbox sends it. */

import type { EntryText } from '../drafts/entry-text';
import { outbox } from '../drafts/outbox.svelte';
import { drafts } from '../drafts/user-drafts';

/** A change is saved after so many ms; later if the text is long, because its encryption takes longer. */
const SAVE_AFTER = 400;
const SAVE_LONG_AFTER = 800;
/** The length of a long text, in characters. */
const LONG = 200_000;
/** A draft is sent so many ms after the last change, and at the latest so many ms after the first unsent one. */
const SEND_AFTER = 2_500;
const SEND_BY = 15_000;

/** `memory`: this device could not store the text, which lives as long as the page. */
export type LocalState = 'unchanged' | 'changed' | 'saved' | 'memory';

type Source = { id: string; text: () => EntryText; secretTagId: () => string | null };

export class DraftSaver {
  state = $state<LocalState>('unchanged');
  /** When the user last changed something, in ms since 1970. */
  changedAt = $state(0);
  /** How many texts of other tabs have become conflict copies. */
  displaced = $state(0);

  readonly #source: Source;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #chain: Promise<void> = Promise.resolve();
  #changes = 0;
  #savedChanges = 0;
  #unsentSince: number | null = null;

  constructor(source: Source) {
    this.#source = source;
  }

  /** How many changes there have been. */
  get changes(): number {
    return this.#changes;
  }

  /** Whether every change is saved. */
  get upToDate(): boolean {
    return this.#changes === this.#savedChanges;
  }

  /** Notes a change of the user, and plans to save it. `length` is that of the text, in characters. */
  changed(length: number): void {
    this.#changes++;
    this.state = 'changed';
    this.changedAt = Date.now();
    this.#unsentSince ??= this.changedAt;
    this.#timer ??= setTimeout(() => void this.save(), length > LONG ? SAVE_LONG_AFTER : SAVE_AFTER);
  }

  /** Saves unsaved changes now, one save at a time. Never rejects. */
  save(): Promise<void> {
    this.#cancelTimer();
    this.#chain = this.#chain.then(() => this.#save());
    return this.#chain;
  }

  /** Saves now, even if nothing has changed. */
  saveAgain(): Promise<void> {
    this.#changes++;
    return this.save();
  }

  /** Waits for a save that is under way, and starts no other. */
  async finishSaving(): Promise<void> {
    this.#cancelTimer();
    await this.#chain;
  }

  /** Treats the present text as saved, for example because the draft was discarded. */
  markSaved(): void {
    this.#savedChanges = this.#changes;
  }

  /** Replaces the present text without a save. A save that is still running does not count. */
  markReplaced(): void {
    this.#savedChanges = ++this.#changes;
  }

  #cancelTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #save(): Promise<void> {
    const changes = this.#changes;
    if (changes === this.#savedChanges) return;
    const { id } = this.#source;
    try {
      const { durable, displaced } = await drafts.save(id, this.#source.text(), this.#source.secretTagId());
      this.#savedChanges = changes;
      if (displaced) this.displaced++;
      if (changes === this.#changes) this.state = durable ? 'saved' : 'memory';
    } catch {
      // The secret tag is locked: the text stays on the page, which says so.
      this.state = 'memory';
      return;
    }
    const delivery = outbox.delivery(id);
    if (delivery?.phase === 'sent' && delivery.at > (this.#unsentSince ?? 0)) this.#unsentSince = Date.now();
    const latest = (this.#unsentSince ?? Date.now()) + SEND_BY - Date.now();
    outbox.sendLater(id, Math.max(0, Math.min(SEND_AFTER, latest)));
  }
}
