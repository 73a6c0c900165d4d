/**
 * A recording, or a chosen file, that is not saved on the server yet. A recording is stored on this device while it is
 * made: other pages, and the app after a reload or a crash, find it again. What could not be stored, and a chosen
 * file, live as long as the tab; the browser asks before such a tab is closed.
 */

import type { Recording } from '../entries/entry';
import { NoMicrophone, type MicrophoneProblem } from './microphone';
import { Recorder, type AudioClip } from './recorder.svelte';
import type { RecordingWriter } from './recording-writer';
import { audioLimit, saveRecording, type EntryRef } from './saved-recording';
import { EntryNotSaved, Upload } from './upload.svelte';
import { recordingStore } from './user-recordings';

export class PendingRecording {
  id: string;
  secretTagId: string | null;
  /** While the microphone is recorded. */
  recorder = $state.raw<Recorder | null>(null);
  /** The finished recording, or the chosen file. */
  clip = $state.raw<AudioClip | null>(null);
  upload = $state.raw<Upload<Recording> | null>(null);
  /** The browser is asking for the microphone. */
  asking = $state(false);
  problem = $state<MicrophoneProblem | null>(null);
  /** Why the recorder has stopped, unless `stop` was called. */
  ended = $state<Recorder['ended']>(null);
  /** Not stored on this device: it is lost with the tab. */
  inMemoryOnly = $state(false);
  /** When the recording was started, in ms since 1970, if this page has found it on the device. */
  foundFrom = $state<number | null>(null);

  /**
   * Its secret tag was locked, or its entry deleted. Not `$state`, so that a component sees it while it is destroyed.
   */
  closed = false;
  /** The page of its entry was left. Not `$state`, for the same reason. */
  unattended = false;
  /** Retracts the notice that was shown when its page was left. */
  dismissNotice: () => void = () => {};
  #writer: RecordingWriter | null = null;
  #found: Promise<void>;
  /** The stored recording cannot be decrypted now, so this tab does not replace it. */
  #locked = false;

  constructor({ id, secretTagId }: EntryRef) {
    this.id = id;
    this.secretTagId = secretTagId;
    this.#found = this.#find();
  }

  /** Whether there is something to lose. */
  get busy(): boolean {
    return this.recorder !== null || this.clip !== null;
  }

  /** Whether closing the tab would lose it, or a part of it. */
  get fragile(): boolean {
    return this.recorder !== null || (this.clip !== null && this.inMemoryOnly);
  }

  async record(): Promise<void> {
    await this.findAgain();
    if (this.asking || this.busy) return;
    const under = this.secretTagId;
    this.asking = true;
    this.problem = this.ended = null;
    try {
      const writer = await this.#startWriter();
      const recorder = await Recorder.start(await audioLimit(), (chunk, seconds) => writer?.add(chunk, seconds));
      if (!this.closed && !this.unattended && under === this.secretTagId) {
        this.recorder = recorder;
        return;
      }
      // Meanwhile the user has left, who must not be recorded, or the entry has moved, and the writer has the wrong
      // key.
      await recorder.stop();
      await this.discard();
    } catch (error) {
      await this.discard();
      this.problem = error instanceof NoMicrophone ? error.problem : 'unknown';
    } finally {
      this.asking = false;
    }
  }

  /** Stops the recorder. The recording is not saved yet. */
  async stop(): Promise<void> {
    const { recorder } = this;
    if (!recorder) return;
    const clip = await recorder.stop();
    if (this.recorder !== recorder) return;
    if (!clip) await this.#discardStored();
    this.ended = recorder.ended;
    this.clip = clip;
    this.recorder = null;
  }

  /** Uses a file in place of a recording. */
  async choose(file: File): Promise<void> {
    await this.findAgain();
    if (this.asking || this.busy || this.closed || this.unattended) return;
    this.problem = this.ended = this.foundFrom = null;
    this.clip = { blob: file, seconds: null, name: file.name };
    this.inMemoryOnly = true;
  }

  /**
   * Saves the clip on the server. `saveEntry` first saves the entry, and returns whether the server has it. Returns
   * null if the upload fails, with the reason in `upload`; then `save` can be called again.
   */
  async save(saveEntry: () => Promise<boolean>): Promise<Recording | null> {
    const { clip } = this;
    if (!clip) return null;
    this.upload ??= new Upload(async (options) => {
      if (!(await saveEntry())) throw new EntryNotSaved();
      options.signal.throwIfAborted();
      return saveRecording(this, clip.blob, options);
    });
    const saved = await this.upload.start();
    if (saved) await this.discard();
    return saved;
  }

  /** Discards the recording, in this tab and on the device. */
  async discard(): Promise<void> {
    await this.close();
    await this.#discardStored();
  }

  /** Removes the recording from this tab. The device keeps what was recorded so far. */
  async close(): Promise<void> {
    const [recorder, writer] = [this.recorder, this.#writer];
    this.dismissNotice();
    this.upload?.cancel();
    this.recorder = this.clip = this.upload = this.#writer = null;
    this.ended = this.problem = this.foundFrom = null;
    this.inMemoryOnly = false;
    await recorder?.stop();
    await writer?.done();
  }

  /** Looks again for a stored recording that could not be decrypted before. */
  async findAgain(): Promise<void> {
    await this.#found;
    if (!this.#locked || this.busy || this.asking) return;
    await (this.#found = this.#find());
  }

  /** The entry has moved: the recording is stored under its new tag. A running recorder stops. */
  async moveTo(secretTagId: string | null): Promise<void> {
    this.secretTagId = secretTagId;
    await this.#found;
    await this.stop();
    if (this.clip && !this.inMemoryOnly)
      await recordingStore.put(this.id, this.secretTagId, this.clip.blob, this.clip.seconds ?? 0);
  }

  /** The entry was deleted, and the recording becomes that of another entry. A running recorder stops. */
  async transferTo(id: string): Promise<void> {
    await this.#found;
    await this.stop();
    const { clip } = this;
    const inMemoryOnly =
      this.inMemoryOnly || !clip || !(await recordingStore.put(id, this.secretTagId, clip.blob, clip.seconds ?? 0));
    this.inMemoryOnly = clip !== null && inMemoryOnly;
    await this.#discardStored();
    this.id = id;
    this.upload = null;
  }

  /** null if the recording cannot be stored on this device. */
  async #startWriter(): Promise<RecordingWriter | null> {
    const writer = this.#locked ? null : await recordingStore.start(this.id, this.secretTagId);
    this.#writer = writer;
    this.inMemoryOnly = writer === null;
    if (writer) writer.onlost = () => (this.inMemoryOnly ||= this.#writer === writer);
    return writer;
  }

  /** Reads the recording that another page, or this one before a reload, has stored. */
  async #find(): Promise<void> {
    const found = await recordingStore.read(this.id);
    this.#locked = found === 'locked';
    if (!found || found === 'locked' || this.busy) return;
    const { blob, seconds, at, secretTagId } = found;
    this.clip = { blob, seconds, name: null };
    this.foundFrom = at;
    // The entry has moved since.
    if (secretTagId !== this.secretTagId) await recordingStore.put(this.id, this.secretTagId, blob, seconds);
  }

  async #discardStored(): Promise<void> {
    if (!this.#locked) await recordingStore.discard(this.id);
  }
}
