/**
 * What was recorded and is not kept yet, by entry. It lives as long as the tab: whoever goes to another page finds it again,
 * and the browser asks before the tab is left. What belongs under a secret tag goes when that is closed.
 */

import { where } from '../drafts/where.svelte';
import type { Recording } from '../entries/entry';
import { audioLimit, keepRecording, type Place } from './keep';
import { NoMicrophone, type Trouble } from './microphone';
import { Take, type Made } from './take.svelte';
import { Unsaved, Upload } from './upload.svelte';

export class Bench {
  readonly id: string;
  secretTagId: string | null;
  /** Being recorded. */
  take = $state.raw<Take | null>(null);
  /** Recorded or chosen, to be listened to. */
  made = $state.raw<Made | null>(null);
  upload = $state.raw<Upload<Recording> | null>(null);
  /** The browser is asking the person. */
  asking = $state(false);
  trouble = $state<Trouble | null>(null);
  /** Why the recording has stopped by itself. */
  ended = $state<Take['ended']>(null);

  constructor({ id, secretTagId }: Place) {
    this.id = id;
    this.secretTagId = secretTagId;
  }

  /** There would be something to lose. */
  get busy(): boolean {
    return this.take !== null || this.made !== null;
  }

  async record(): Promise<void> {
    if (this.asking || this.busy) return;
    this.asking = true;
    this.trouble = this.ended = null;
    try {
      this.take = await Take.begin(await audioLimit());
    } catch (error) {
      this.trouble = error instanceof NoMicrophone ? error.trouble : 'unknown';
    } finally {
      this.asking = false;
    }
  }

  /** Ends the recording. It is not kept yet. */
  async stop(): Promise<void> {
    const { take } = this;
    if (!take) return;
    const made = await take.stop();
    if (this.take !== take) return;
    this.ended = take.ended;
    this.made = made;
    this.take = null;
  }

  /** Takes a file of the person's in place of a recording. */
  choose(file: File): void {
    this.trouble = this.ended = null;
    this.made = { blob: file, seconds: null, name: file.name };
  }

  /**
   * Keeps it with its entry; `save` gets that to the server first, and answers whether it is there. The answer is null if
   * it is not kept, and `upload` says why. It can be called again then.
   */
  async keep(save: () => Promise<boolean>): Promise<Recording | null> {
    const { made } = this;
    if (!made) return null;
    this.upload ??= new Upload(async (sending) => {
      if (!(await save())) throw new Unsaved();
      sending.signal.throwIfAborted();
      return keepRecording(this, made.blob, sending);
    });
    const kept = await this.upload.start();
    if (kept) this.discard();
    return kept;
  }

  /** Forgets all of it. */
  discard(): void {
    void this.take?.stop();
    this.upload?.cancel();
    this.take = this.made = this.upload = null;
    this.ended = this.trouble = null;
  }
}

const benches = new Map<string, Bench>();

/** The one of this entry. */
export function benchOf(place: Place): Bench {
  let bench = benches.get(place.id);
  if (!bench) benches.set(place.id, (bench = new Bench(place)));
  bench.secretTagId = place.secretTagId;
  return bench;
}

addEventListener('beforeunload', (event) => {
  if ([...benches.values()].some(({ busy }) => busy)) event.preventDefault();
});

where.beforeClose((tag) => {
  for (const [id, bench] of benches) {
    if (bench.secretTagId !== tag) continue;
    bench.discard();
    benches.delete(id);
  }
});
