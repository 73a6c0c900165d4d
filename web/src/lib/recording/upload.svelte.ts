/** The upload of one recording: its progress, and why it failed. */

import { SottoError } from '../api';
import type { PutOptions } from './put-with-progress';

/** `finishing`: everything is sent, and the response has not arrived. */
export type Phase = 'ready' | 'preparing' | 'sending' | 'finishing' | 'failed' | 'saved';

/** `unsaved`: the entry itself could not be saved. */
export type Failure = 'offline' | 'unsaved' | 'login' | 'tooLarge' | 'notAudio' | 'full' | 'gone' | 'server';

/** The entry that the recording belongs to could not be saved. */
export class EntryNotSaved extends Error {
  override name = 'EntryNotSaved';
}

export class Upload<T> {
  phase = $state<Phase>('ready');
  failure = $state<Failure | null>(null);
  /** From 0 to 1. */
  progress = $state(0);

  readonly #send: (sending: PutOptions) => Promise<T>;
  #current: AbortController | null = null;

  /** `send` is one attempt, from the beginning. */
  constructor(send: (sending: PutOptions) => Promise<T>) {
    this.#send = send;
  }

  /** Makes an attempt, also after one that failed. Never rejects; returns null if this attempt fails. */
  async start(): Promise<T | null> {
    if (this.#current) return null;
    const current = (this.#current = new AbortController());
    this.phase = 'preparing';
    this.failure = null;
    this.progress = 0;
    try {
      const saved = await this.#send({
        signal: current.signal,
        onprogress: (sent, total) => this.#progressed(current, sent, total),
      });
      this.phase = 'saved';
      return saved;
    } catch (error) {
      this.failure = current.signal.aborted ? null : failureOf(error);
      this.phase = this.failure ? 'failed' : 'ready';
      return null;
    } finally {
      this.#current = null;
    }
  }

  /** Cancels the attempt, unless everything is sent already. The recording is not discarded. */
  cancel(): void {
    if (this.phase === 'preparing' || this.phase === 'sending') this.#current?.abort();
  }

  #progressed(current: AbortController, sent: number, total: number): void {
    if (current.signal.aborted) return;
    this.progress = total > 0 ? sent / total : 0;
    this.phase = sent < total ? 'sending' : 'finishing';
  }
}

/** Distinguishes the reasons that a user can do something about. */
export function failureOf(error: unknown): Failure {
  if (error instanceof EntryNotSaved) return 'unsaved';
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
