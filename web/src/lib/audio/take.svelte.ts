/** A recording that is being made. Each second of it is taken over as it comes, whatever happens to the microphone then. */

import { loudness } from './loudness';
import { typeToRecord } from './media';
import { openMicrophone } from './microphone';

/** A recording that is finished, or a file of the person's. `seconds` is null where only the file knows. */
export type Made = { blob: Blob; seconds: number | null; name: string | null };

/** Is given each piece as it comes, and how long all of it is in seconds. */
export type OnPiece = (piece: Blob, seconds: number) => void;

/** Plenty for a voice: an hour is about 29 MB. */
const BITS_PER_SECOND = 64_000;
/** A piece is taken over so often, and the level is read so often, in ms. */
const SLICE = 1_000;
const READ = 50;
/** So many samples are looked at each time, which has to be a power of two: 85 ms at 48 kHz, so that none is missed. */
const SAMPLES = 4096;
/** What still comes after it was told to stop, at most, in bytes. */
const RESERVE = 64 * 1024;

export class Take {
  state = $state<'recording' | 'paused' | 'stopped'>('recording');
  seconds = $state(0);
  /** How loud it is, from 0 to 1. */
  level = $state(0);
  /** Why it has stopped by itself. */
  ended = $state<'limit' | 'microphone' | null>(null);

  readonly #stream: MediaStream;
  readonly #recorder: MediaRecorder;
  readonly #context = new AudioContext();
  readonly #analyser = this.#context.createAnalyser();
  readonly #samples = new Float32Array(SAMPLES);
  readonly #pieces: Blob[] = [];
  readonly #stopped: Promise<void>;
  readonly #limit: number;
  readonly #onpiece: OnPiece;
  readonly #timer: ReturnType<typeof setInterval>;
  #bytes = 0;
  #before = 0;
  #since = performance.now();

  /** Begins at once. It stops by itself before it has `limit` bytes. @throws NoMicrophone */
  static async begin(limit: number, onpiece: OnPiece): Promise<Take> {
    return new Take(await openMicrophone(), limit, onpiece);
  }

  private constructor(stream: MediaStream, limit: number, onpiece: OnPiece) {
    this.#stream = stream;
    this.#limit = limit;
    this.#onpiece = onpiece;
    const mimeType = typeToRecord((type) => MediaRecorder.isTypeSupported(type));
    this.#recorder = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: BITS_PER_SECOND });
    this.#stopped = new Promise((done) => this.#recorder.addEventListener('stop', () => done(), { once: true }));
    this.#recorder.addEventListener('dataavailable', ({ data }) => this.#take(data));
    this.#recorder.addEventListener('error', () => this.#end('microphone'));
    for (const track of stream.getTracks()) track.addEventListener('ended', () => this.#end('microphone'));
    this.#analyser.fftSize = SAMPLES;
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
    void this.#context.resume();
    this.#recorder.start(SLICE);
    this.#timer = setInterval(() => this.#read(), READ);
  }

  pause(): void {
    // Not `state`: while a component is taken away, Svelte shows it what was.
    if (this.#recorder.state !== 'recording') return;
    this.#recorder.pause();
    this.#before = this.#elapsed();
    this.state = 'paused';
    this.level = 0;
    this.seconds = this.#before;
  }

  resume(): void {
    if (this.state !== 'paused') return;
    this.#recorder.resume();
    this.#since = performance.now();
    this.state = 'recording';
  }

  /** Lets go of the microphone; the answer is what was recorded, null if there is nothing. */
  async stop(): Promise<Made | null> {
    if (this.state !== 'stopped') {
      this.#before = this.#elapsed();
      this.seconds = this.#before;
      this.state = 'stopped';
      this.level = 0;
      clearInterval(this.#timer);
      if (this.#recorder.state !== 'inactive') this.#recorder.stop();
    }
    await this.#stopped;
    for (const track of this.#stream.getTracks()) track.stop();
    if (this.#context.state !== 'closed') await this.#context.close();
    if (this.#bytes === 0) return null;
    return { blob: new Blob(this.#pieces, { type: this.#recorder.mimeType }), seconds: this.seconds, name: null };
  }

  #take(piece: Blob): void {
    if (piece.size === 0) return;
    this.#pieces.push(piece);
    this.#bytes += piece.size;
    this.#onpiece(new Blob([piece], { type: this.#recorder.mimeType }), this.#elapsed());
    if (this.#bytes + RESERVE > this.#limit) this.#end('limit');
  }

  #end(reason: 'limit' | 'microphone'): void {
    if (this.state === 'stopped') return;
    this.ended = reason;
    void this.stop();
  }

  #read(): void {
    if (this.state !== 'recording') return;
    this.seconds = this.#elapsed();
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / this.#samples.length;
    this.level = loudness(power);
  }

  #elapsed(): number {
    return this.state === 'recording' ? this.#before + (performance.now() - this.#since) / 1000 : this.#before;
  }
}
