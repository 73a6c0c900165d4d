/**
 * Sends drafts: one save of an entry at a time over all tabs, with retries while the network or the server is
 * unavailable. No draft creates two entries, because the client chooses ids and a create can be repeated.
 */

import { SottoError } from '@sotto/client';

import { Conflict, type Entry, type EntryStore } from '../entries/entry';
import type { Drafts, SavedDraft } from './drafts';
import { fingerprint, isEmpty, sameText, sendable, textOf, type BaseVersion, type ServerVersion } from './entry-text';

/** How far a draft is. Times are in ms since 1970. */
export type Delivery =
  | { phase: 'sending' }
  | { phase: 'sent'; at: number }
  /** The network or the server is unavailable; the next attempt is at `until`. */
  | { phase: 'waiting'; until: number; error: unknown }
  /** The user has to sign in again first. */
  | { phase: 'login' }
  /** The server rejects the draft. */
  | { phase: 'refused'; error: unknown }
  | { phase: 'conflict'; other: ServerVersion };

export type SenderEnvironment = {
  drafts: Drafts;
  /** null: under a secret tag that is locked. */
  entries: (secretTagId: string | null) => Promise<EntryStore | null>;
  /** Whether the owner of these drafts is the user who is signed in now. */
  allowed: () => boolean;
  /** Runs one task at a time for each id, over all tabs. */
  exclusive: <T>(id: string, run: () => Promise<T>) => Promise<T>;
  report: (id: string, delivery: Delivery) => void;
  now: () => number;
  /** Runs a task after so many ms. Returns a function that cancels it. */
  later: (ms: number, run: () => void) => () => void;
};

/** In ms. */
const FIRST_DELAY = 2_000;
const LONGEST_DELAY = 60_000;
/** A tab sends its own drafts at once, and those of other tabs only when they are older than this, in ms. */
const OTHER_TAB_DELAY = 30_000;
/** How many attempts without a response are remembered for each draft. */
const ATTEMPTS = 20;

export class Sender {
  readonly #environment: SenderEnvironment;
  readonly #running = new Map<string, Promise<void>>();
  readonly #queued = new Map<string, Promise<void>>();
  /** Functions that cancel what {@link sendLater} has planned. */
  readonly #planned = new Map<string, () => void>();
  readonly #failures = new Map<string, number>();

  constructor(environment: SenderEnvironment) {
    this.#environment = environment;
  }

  /** Plans to send a draft after so many ms, in place of an earlier plan. */
  sendLater(id: string, ms: number): void {
    this.#planned.get(id)?.();
    this.#planned.set(
      id,
      this.#environment.later(ms, () => void this.send(id)),
    );
  }

  /** Sends the saved draft of this entry now. Never rejects; the outcome is reported. */
  send(id: string): Promise<void> {
    this.#planned.get(id)?.();
    this.#planned.delete(id);
    const queued = this.#queued.get(id);
    if (queued) return queued;
    const next = (this.#running.get(id) ?? Promise.resolve()).then(() => {
      this.#queued.delete(id);
      const run = this.#environment
        .exclusive(id, () => this.#deliver(id))
        .catch((error) => this.#retryLater(id, error));
      this.#running.set(id, run);
      return run;
    });
    this.#queued.set(id, next);
    return next;
  }

  /**
   * Sends all saved drafts: when the app starts, and when the network or the login is back. A young draft of another
   * tab is sent later, unless `atOnce` selects it.
   */
  async sendAll(atOnce: (draft: SavedDraft) => boolean = () => false): Promise<void> {
    this.#failures.clear();
    const all = await this.#environment.drafts.list();
    await Promise.all(
      all.map(async (draft) => {
        const { id, editedAt } = draft;
        const age = this.#environment.now() - editedAt;
        const mine = this.#environment.drafts.isInTab(id) || atOnce(draft);
        if (mine || age >= OTHER_TAB_DELAY || age < 0) await this.send(id);
        else this.sendLater(id, OTHER_TAB_DELAY - age);
      }),
    );
  }

  /** Discards a draft, once no save of it is under way. Returns false if the server has it. */
  discard(id: string): Promise<boolean> {
    this.#planned.get(id)?.();
    return this.#environment.exclusive(id, async () => {
      const found = await this.#environment.drafts.read(id);
      if (found && found.base.revision !== null) return false;
      await this.#environment.drafts.discard(id);
      return true;
    });
  }

  async #deliver(id: string): Promise<void> {
    const { drafts, report } = this.#environment;
    const found = await drafts.read(id);
    if (!found?.saved) return;
    const { saved, base } = found;
    if (base.other !== undefined) return report(id, { phase: 'conflict', other: base.other });
    if (!this.#environment.allowed()) return report(id, { phase: 'login' });
    const store = await this.#environment.entries(saved.secretTagId);
    if (!store || (base.revision === null && isEmpty(saved.written))) return;
    const sent = await fingerprint(saved.written);
    const noted = { ...base, sent: [...(base.sent ?? []).filter((one) => one !== sent), sent].slice(-ATTEMPTS) };
    // The text has changed since it was read: send the newer one.
    if (!(await drafts.setBase(id, saved.secretTagId, noted, { only: saved.stamp }))) return this.#deliver(id);
    report(id, { phase: 'sending' });
    try {
      await this.#delivered(saved, await store.save({ id, revision: base.revision, ...sendable(saved.written) }));
    } catch (error) {
      if (error instanceof Conflict) await this.#resolveConflict(saved, noted, error.current);
      // An entry under a locked secret tag has this id: the server treats the entry as deleted.
      else if (error instanceof SottoError && error.code === 'id_taken')
        await this.#resolveConflict(saved, noted, null);
      else this.#failed(id, error);
    }
  }

  async #delivered(saved: SavedDraft, entry: Entry): Promise<void> {
    this.#failures.delete(saved.id);
    const base: BaseVersion = { revision: entry.revision, written: saved.written };
    const { drafts } = this.#environment;
    await drafts.setBase(saved.id, saved.secretTagId, base, { sent: saved.stamp });
    if (!drafts.isInTab(saved.id)) await drafts.release(saved.id);
    this.#environment.report(saved.id, { phase: 'sent', at: this.#environment.now() });
  }

  async #resolveConflict(saved: SavedDraft, base: BaseVersion, current: Entry | null): Promise<void> {
    const { drafts, report } = this.#environment;
    const written = current && textOf(current);
    if (current && written) {
      if (sameText(written, saved.written)) return this.#delivered(saved, current);
      // Either an earlier attempt arrived and its response was lost, or only the recording of the entry has changed.
      if (base.sent?.includes(await fingerprint(written)) || (base.written && sameText(written, base.written))) {
        await drafts.setBase(saved.id, saved.secretTagId, { revision: current.revision, written });
        return this.#deliver(saved.id);
      }
    }
    const other: ServerVersion = current && written ? { revision: current.revision, written } : null;
    await drafts.setBase(saved.id, saved.secretTagId, { ...base, other });
    report(saved.id, { phase: 'conflict', other });
  }

  #failed(id: string, error: unknown): void {
    const status = error instanceof SottoError ? error.status : 0;
    if (status === 401) this.#environment.report(id, { phase: 'login' });
    else if (status === 0 || status === 408 || status === 429 || (status >= 500 && status !== 507))
      this.#retryLater(id, error);
    else this.#environment.report(id, { phase: 'refused', error });
  }

  /** Exponential backoff, or longer if the server asks for it. */
  #retryLater(id: string, error: unknown): void {
    const failures = this.#failures.get(id) ?? 0;
    this.#failures.set(id, failures + 1);
    const asked = error instanceof SottoError ? (error.retryAfter ?? 0) * 1000 : 0;
    const delay = Math.max(asked, Math.min(FIRST_DELAY * 2 ** failures, LONGEST_DELAY));
    this.#environment.report(id, { phase: 'waiting', until: this.#environment.now() + delay, error });
    this.sendLater(id, delay);
  }
}
