/**
 * What was recorded and is not kept yet, by entry. It is stored on this device as it comes, as drafts are (drafts/takes.ts):
 * whoever goes to another page finds it again, and after a reload or a crash, too. What belongs under a secret tag waits until
 * that is opened. What could not be stored, and a file that was chosen, live as long as the tab; then the browser asks before.
 */

import { outbox, takes } from '../drafts/outbox.svelte';
import type { Reel } from '../drafts/takes';
import { where } from '../drafts/where.svelte';
import type { Recording } from '../entries/entry';
import { session } from '../session.svelte';
import { audioLimit, keepRecording, type Place } from './keep';
import { NoMicrophone, type Trouble } from './microphone';
import { Take, type Made } from './take.svelte';
import { Unsaved, Upload } from './upload.svelte';

export class Bench {
  id: string;
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
  /** Nothing of it is on this device: it goes with the tab. */
  fleeting = $state(false);
  /** When it was recorded, in ms, if that was before this page was there. */
  foundFrom = $state<number | null>(null);

  /** The secret tag that it is under was closed, or its entry is no more. No state of Svelte's, so that who is taken away with it sees it. */
  closed = false;
  /** Nobody sees it: the page of its entry was left. As above. */
  unattended = false;
  /** Takes back what was said of it when its page was left. */
  unsay: () => void = () => {};
  #reel: Reel | null = null;
  #found: Promise<void>;
  /** What lies on the device cannot be opened now: nothing of this tab takes its place. */
  #shut = false;

  constructor({ id, secretTagId }: Place) {
    this.id = id;
    this.secretTagId = secretTagId;
    this.#found = this.#find();
  }

  /** There would be something to lose. */
  get busy(): boolean {
    return this.take !== null || this.made !== null;
  }

  /** It would be lost with the tab, or not be whole. */
  get fragile(): boolean {
    return this.take !== null || (this.made !== null && this.fleeting);
  }

  async record(): Promise<void> {
    await this.lookAgain();
    if (this.asking || this.busy) return;
    const under = this.secretTagId;
    this.asking = true;
    this.trouble = this.ended = null;
    try {
      const reel = await this.#store();
      const take = await Take.begin(await audioLimit(), (piece, seconds) => reel?.add(piece, seconds));
      if (!this.closed && !this.unattended && under === this.secretTagId) {
        this.take = take;
        return;
      }
      // Nobody is recorded who has gone while the browser asked, and nothing is stored under what is not its key.
      await take.stop();
      await this.discard();
    } catch (error) {
      await this.discard();
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
    if (!made) await this.#remove();
    this.ended = take.ended;
    this.made = made;
    this.take = null;
  }

  /** Takes a file of the person's in place of a recording. */
  async choose(file: File): Promise<void> {
    await this.lookAgain();
    if (this.asking || this.busy || this.closed || this.unattended) return;
    this.trouble = this.ended = this.foundFrom = null;
    this.made = { blob: file, seconds: null, name: file.name };
    this.fleeting = true;
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
    if (kept) await this.discard();
    return kept;
  }

  /** Forgets all of it, here and on the device. */
  async discard(): Promise<void> {
    await this.putAway();
    await this.#remove();
  }

  /** Forgets all of it here; what is stored on the device stays, with what is recorded up to now. */
  async putAway(): Promise<void> {
    const [take, reel] = [this.take, this.#reel];
    this.unsay();
    this.upload?.cancel();
    this.take = this.made = this.upload = this.#reel = null;
    this.ended = this.trouble = this.foundFrom = null;
    this.fleeting = false;
    await take?.stop();
    await reel?.done();
  }

  /** Takes up what could not be opened before. */
  async lookAgain(): Promise<void> {
    await this.#found;
    if (!this.#shut || this.busy || this.asking) return;
    await (this.#found = this.#find());
  }

  /** Its entry is somewhere else now. What is recorded goes there, too; what is still being recorded ends. */
  async move(secretTagId: string | null): Promise<void> {
    this.secretTagId = secretTagId;
    await this.#found;
    await this.stop();
    if (this.made && !this.fleeting) await takes.put(this.id, this.secretTagId, this.made.blob, this.made.seconds ?? 0);
  }

  /** Its entry is no more, and what is recorded goes on with this one; what is still being recorded ends. */
  async handOver(id: string): Promise<void> {
    await this.#found;
    await this.stop();
    const { made } = this;
    this.fleeting = made !== null && (this.fleeting || !(await takes.put(id, this.secretTagId, made.blob, made.seconds ?? 0)));
    await this.#remove();
    this.id = id;
    this.upload = null;
  }

  /** Where what is recorded from here on is stored as well; null if that is not possible. */
  async #store(): Promise<Reel | null> {
    const reel = this.#shut ? null : await takes.begin(this.id, this.secretTagId);
    this.#reel = reel;
    this.fleeting = reel === null;
    if (reel) reel.onlost = () => (this.fleeting ||= this.#reel === reel);
    return reel;
  }

  /** Takes up what another page has left. */
  async #find(): Promise<void> {
    const found = await takes.read(this.id);
    this.#shut = found === 'closed';
    if (!found || found === 'closed' || this.busy) return;
    const { blob, seconds, at, secretTagId } = found;
    this.made = { blob, seconds, name: null };
    this.foundFrom = at;
    // The entry has moved since.
    if (secretTagId !== this.secretTagId) await takes.put(this.id, this.secretTagId, blob, seconds);
  }

  async #remove(): Promise<void> {
    if (!this.#shut) await takes.remove(this.id);
  }
}

const benches = new Map<string, Bench>();

/** The one of this entry. */
export function benchOf(place: Place): Bench {
  let bench = benches.get(place.id);
  if (!bench) benches.set(place.id, (bench = new Bench(place)));
  else if (bench.secretTagId !== place.secretTagId) void bench.move(place.secretTagId);
  else void bench.lookAgain();
  return bench;
}

/** Whether something is recorded for this entry and not kept yet, in this tab or on this device. */
export async function recordingWaits(id: string): Promise<boolean> {
  if (await takes.has(id)) return true;
  const bench = benches.get(id);
  return bench !== undefined && (bench.busy || bench.asking);
}

/** Where what waits for this entry belongs, and since when, in ms; null if nothing waits that can be heard now. */
export async function waitingOf(id: string): Promise<{ secretTagId: string | null; at: number } | null> {
  const bench = benches.get(id);
  if (bench?.busy) return { secretTagId: bench.secretTagId, at: bench.foundFrom ?? Date.now() };
  const found = await takes.read(id);
  return found === 'closed' ? null : found;
}

/** What waits for the one entry waits for the other one from here on. */
export async function handOver(from: string, to: string): Promise<void> {
  const secretTagId = (await waitingOf(from))?.secretTagId;
  if (secretTagId === undefined) return;
  const bench = benchOf({ id: from, secretTagId });
  await bench.handOver(to);
  benches.delete(from);
  benches.set(to, bench);
}

addEventListener('beforeunload', (event) => {
  if (session.state !== 'out' && [...benches.values()].some(({ fragile }) => fragile)) event.preventDefault();
});

where.beforeClose((tag) => close(({ secretTagId }) => secretTagId === tag));
outbox.whenForgotten((forgotten) => close(({ id }) => id === forgotten));

async function close(which: (bench: Bench) => boolean): Promise<void> {
  const closing = [...benches.values()].filter(which);
  for (const bench of closing) {
    bench.closed = true;
    benches.delete(bench.id);
  }
  await Promise.all(closing.map((bench) => bench.putAway()));
}
