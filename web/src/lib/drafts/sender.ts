/**
 * Sends drafts to the server: one save of an entry at a time, whatever the number of tabs; again when the network or the
 * server was not there; and never a second entry, because ids are made here and a create can be sent twice.
 */

import { SottoError } from '@sotto/client';

import { Conflict, type Entry, type EntryStore } from '../entries/entry';
import type { Drafts, Kept } from './drafts';
import { fingerprint, isEmpty, same, sendable, writtenOf, type Base, type Other } from './written';

/** How far a draft is. */
export type Delivery =
  | { phase: 'sending' }
  | { phase: 'sent'; at: number }
  /** The network or the server is not there; the next try is at this time, in ms. */
  | { phase: 'waiting'; until: number; error: unknown }
  /** The person has to sign in again first. */
  | { phase: 'login' }
  /** The server will not have it as it is. */
  | { phase: 'refused'; error: unknown }
  | { phase: 'conflict'; other: Other };

export type Surroundings = {
  drafts: Drafts;
  /** null: under a secret tag that is locked. */
  entries: (secretTagId: string | null) => Promise<EntryStore | null>;
  /** Whether the person whose drafts these are is the one who is signed in now. */
  allowed: () => boolean;
  /** Runs one at a time for each id, over all tabs. */
  exclusive: <T>(id: string, run: () => Promise<T>) => Promise<T>;
  report: (id: string, delivery: Delivery) => void;
  now: () => number;
  /** Runs something after so many ms; the answer calls it off. */
  later: (ms: number, run: () => void) => () => void;
};

const FIRST_DELAY = 2_000;
const LONGEST_DELAY = 60_000;
/** A tab sends what is written in it; others look after it only when it is older than this, in ms. */
const LEFT_ALONE = 30_000;
/** Attempts without an answer that are remembered. */
const ATTEMPTS = 20;

export class Sender {
  readonly #in: Surroundings;
  readonly #running = new Map<string, Promise<void>>();
  readonly #queued = new Map<string, Promise<void>>();
  readonly #planned = new Map<string, () => void>();
  readonly #failures = new Map<string, number>();

  constructor(surroundings: Surroundings) {
    this.#in = surroundings;
  }

  /** Sends it after so many ms, and not before. */
  soon(id: string, ms: number): void {
    this.#planned.get(id)?.();
    this.#planned.set(id, this.#in.later(ms, () => void this.send(id)));
  }

  /** Sends what is kept of this entry now. Never rejects; what came of it is reported. */
  send(id: string): Promise<void> {
    this.#planned.get(id)?.();
    this.#planned.delete(id);
    const queued = this.#queued.get(id);
    if (queued) return queued;
    const next = (this.#running.get(id) ?? Promise.resolve()).then(() => {
      this.#queued.delete(id);
      const run = this.#in.exclusive(id, () => this.#deliver(id)).catch((error) => this.#wait(id, error));
      this.#running.set(id, run);
      return run;
    });
    this.#queued.set(id, next);
    return next;
  }

  /**
   * Sends all that was left behind: when the app starts, and when the network or the login is back. What another tab may be
   * writing has time, unless it is told to go at once.
   */
  async sendAll(atOnce: (kept: Kept) => boolean = () => false): Promise<void> {
    this.#failures.clear();
    const kept = await this.#in.drafts.list();
    await Promise.all(
      kept.map((one) => {
        const { id, editedAt } = one;
        const age = this.#in.now() - editedAt;
        const mine = this.#in.drafts.holds(id) || atOnce(one);
        return mine || age >= LEFT_ALONE || age < 0 ? this.send(id) : this.soon(id, LEFT_ALONE - age);
      }),
    );
  }

  /** Throws a draft away, once nothing of it is under way. False if the server has it by now. */
  discard(id: string): Promise<boolean> {
    this.#planned.get(id)?.();
    return this.#in.exclusive(id, async () => {
      const found = await this.#in.drafts.read(id);
      if (found && found.base.revision !== null) return false;
      await this.#in.drafts.remove(id);
      return true;
    });
  }

  async #deliver(id: string): Promise<void> {
    const found = await this.#in.drafts.read(id);
    if (!found?.kept) return;
    const { kept, base } = found;
    if (base.other !== undefined) return this.#in.report(id, { phase: 'conflict', other: base.other });
    if (!this.#in.allowed()) return this.#in.report(id, { phase: 'login' });
    const store = await this.#in.entries(kept.secretTagId);
    if (!store || (base.revision === null && isEmpty(kept.written))) return;
    const sent = await fingerprint(kept.written);
    const noted = { ...base, sent: [...(base.sent ?? []).filter((one) => one !== sent), sent].slice(-ATTEMPTS) };
    // The text has changed meanwhile: the newer one is sent.
    if (!(await this.#in.drafts.ground(id, kept.secretTagId, noted, { only: kept.stamp }))) return this.#deliver(id);
    this.#in.report(id, { phase: 'sending' });
    try {
      await this.#delivered(kept, await store.save({ id, revision: base.revision, ...sendable(kept.written) }));
    } catch (error) {
      if (error instanceof Conflict) await this.#clash(kept, noted, error.current);
      // An entry under a secret tag that is locked has this id: for here, the entry is no more.
      else if (error instanceof SottoError && error.code === 'id_taken') await this.#clash(kept, noted, null);
      else this.#failed(id, error);
    }
  }

  async #delivered(kept: Kept, entry: Entry): Promise<void> {
    this.#failures.delete(kept.id);
    const base: Base = { revision: entry.revision, written: kept.written };
    const { drafts } = this.#in;
    await drafts.ground(kept.id, kept.secretTagId, base, { sent: kept.stamp });
    if (!drafts.holds(kept.id)) await drafts.release(kept.id);
    this.#in.report(kept.id, { phase: 'sent', at: this.#in.now() });
  }

  async #clash(kept: Kept, base: Base, current: Entry | null): Promise<void> {
    const written = current && writtenOf(current);
    if (current && written) {
      if (same(written, kept.written)) return this.#delivered(kept, current);
      // An earlier attempt did arrive, and only its answer was lost; or not the text was changed, but what is recorded with it.
      if (base.sent?.includes(await fingerprint(written)) || (base.written && same(written, base.written))) {
        await this.#in.drafts.ground(kept.id, kept.secretTagId, { revision: current.revision, written });
        return this.#deliver(kept.id);
      }
    }
    const other: Other = current && written ? { revision: current.revision, written } : null;
    await this.#in.drafts.ground(kept.id, kept.secretTagId, { ...base, other });
    this.#in.report(kept.id, { phase: 'conflict', other });
  }

  #failed(id: string, error: unknown): void {
    const status = error instanceof SottoError ? error.status : 0;
    if (status === 401) this.#in.report(id, { phase: 'login' });
    else if (status === 0 || status === 408 || status === 429 || (status >= 500 && status !== 507)) this.#wait(id, error);
    else this.#in.report(id, { phase: 'refused', error });
  }

  #wait(id: string, error: unknown): void {
    const failures = this.#failures.get(id) ?? 0;
    this.#failures.set(id, failures + 1);
    const asked = error instanceof SottoError ? (error.retryAfter ?? 0) * 1000 : 0;
    const delay = Math.max(asked, Math.min(FIRST_DELAY * 2 ** failures, LONGEST_DELAY));
    this.#in.report(id, { phase: 'waiting', until: this.#in.now() + delay, error });
    this.soon(id, delay);
  }
}
