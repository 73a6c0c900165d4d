/** One recording on its way to where it is kept: how far it is, and what went wrong, until it is there. */

import { SottoError } from '../api';
import type { Sending } from './transfer';

/** `finishing`: all of it has left, and the answer is not there yet. */
export type Phase = 'ready' | 'preparing' | 'sending' | 'finishing' | 'failed' | 'kept';

/** `unsaved`: the entry itself has not got to the server. */
export type Failure = 'offline' | 'unsaved' | 'login' | 'tooLarge' | 'notAudio' | 'full' | 'gone' | 'server';

/** The entry that the recording belongs to could not be saved. */
export class Unsaved extends Error {
  override name = 'Unsaved';
}

export class Upload<T> {
  phase = $state<Phase>('ready');
  failure = $state<Failure | null>(null);
  /** From 0 to 1. */
  progress = $state(0);

  readonly #keep: (sending: Sending) => Promise<T>;
  #current: AbortController | null = null;

  /** `keep` does the work, from the beginning each time. */
  constructor(keep: (sending: Sending) => Promise<T>) {
    this.#keep = keep;
  }

  /** Tries it, once more if it failed before. Never rejects; null if it is not kept. */
  async start(): Promise<T | null> {
    if (this.#current) return null;
    const current = (this.#current = new AbortController());
    this.phase = 'preparing';
    this.failure = null;
    this.progress = 0;
    try {
      const kept = await this.#keep({ signal: current.signal, onprogress: (sent, total) => this.#moved(current, sent, total) });
      this.phase = 'kept';
      return kept;
    } catch (error) {
      this.failure = current.signal.aborted ? null : failureOf(error);
      this.phase = this.failure ? 'failed' : 'ready';
      return null;
    } finally {
      this.#current = null;
    }
  }

  /** Breaks it off; what was recorded is still there. Once all has left it is too late for that. */
  cancel(): void {
    if (this.phase === 'preparing' || this.phase === 'sending') this.#current?.abort();
  }

  #moved(current: AbortController, sent: number, total: number): void {
    if (current.signal.aborted) return;
    this.progress = total > 0 ? sent / total : 0;
    this.phase = sent < total ? 'sending' : 'finishing';
  }
}

/** The reasons that a person can do something about, told apart. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Unsaved) return 'unsaved';
  if (!(error instanceof SottoError)) return 'server';
  switch (error.status) {
    case 0:
      return 'offline';
    case 401:
      return 'login';
    case 404:
      return 'gone';
    case 413:
      return 'tooLarge';
    case 415:
    case 422:
      return 'notAudio';
    case 507:
      return 'full';
    default:
      return 'server';
  }
}
