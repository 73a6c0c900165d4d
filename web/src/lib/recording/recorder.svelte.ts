/** Records the microphone. Every second yields a chunk, so that a failure of the microphone loses no more than that. */

import { loudness } from './loudness';
import { typeToRecord } from './media-types';
import { openMicrophone } from './microphone';

/** A finished recording, or a chosen file with its name. `seconds` is null where only the file knows its length. */
export type AudioClip = { blob: Blob; seconds: number | null; name: string | null };

/** Receives each chunk, and the length of the whole recording so far in seconds. */
export type OnChunk = (chunk: Blob, seconds: number) => void;

/** Enough for a voice: an hour is about 29 MB. */
const BITS_PER_SECOND = 64_000;
/** The length of a chunk, and the interval at which the level is measured, in ms. */
const CHUNK = 1_000;
const MEASURE_EVERY = 50;
/** Samples in one measurement, a power of two as the API demands: 85 ms at 48 kHz, so that no sound is missed. */
const SAMPLES = 4096;
/** What can still arrive after the recorder was told to stop, at most, in bytes. */
const STOP_RESERVE_BYTES = 64 * 1024;

export class Recorder {
  state = $state<'recording' | 'paused' | 'stopped'>('recording');
  seconds = $state(0);
  /** The loudness, from 0 to 1. */
  level = $state(0);
  /** Why the recorder has stopped, unless `stop` was called. */
  ended = $state<'limit' | 'microphone' | null>(null);

  readonly #stream: MediaStream;
  readonly #recorder: MediaRecorder;
  readonly #context = new AudioContext();
  readonly #analyser = this.#context.createAnalyser();
  readonly #samples = new Float32Array(SAMPLES);
  readonly #chunks: Blob[] = [];
  readonly #stopped: Promise<void>;
  readonly #limit: number;
  readonly #onchunk: OnChunk;
  readonly #timer: ReturnType<typeof setInterval>;
  #bytes = 0;
  /** Seconds recorded before the last pause, and when recording was resumed after it. */
  #before = 0;
  #since = performance.now();

  /** Starts to record at once. The recorder stops before the recording has `limit` bytes. @throws NoMicrophone */
  static async start(limit: number, onchunk: OnChunk): Promise<Recorder> {
    return new Recorder(await openMicrophone(), limit, onchunk);
  }

  private constructor(stream: MediaStream, limit: number, onchunk: OnChunk) {
    this.#stream = stream;
    this.#limit = limit;
    this.#onchunk = onchunk;
    const mimeType = typeToRecord((type) => MediaRecorder.isTypeSupported(type));
    this.#recorder = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: BITS_PER_SECOND });
    this.#stopped = new Promise((done) => this.#recorder.addEventListener('stop', () => done(), { once: true }));
    this.#recorder.addEventListener('dataavailable', ({ data }) => this.#add(data));
    this.#recorder.addEventListener('error', () => this.#end('microphone'));
    for (const track of stream.getTracks()) track.addEventListener('ended', () => this.#end('microphone'));
    this.#analyser.fftSize = SAMPLES;
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
    void this.#context.resume();
    this.#recorder.start(CHUNK);
    this.#timer = setInterval(() => this.#measure(), MEASURE_EVERY);
  }

  pause(): void {
    // Not `this.state`: while a component is destroyed, Svelte shows it an older value.
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

  /** Releases the microphone. Returns the recording; null if it is empty. */
  async stop(): Promise<AudioClip | null> {
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
    return { blob: new Blob(this.#chunks, { type: this.#recorder.mimeType }), seconds: this.seconds, name: null };
  }

  #add(chunk: Blob): void {
    if (chunk.size === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.size;
    this.#onchunk(new Blob([chunk], { type: this.#recorder.mimeType }), this.#elapsed());
    if (this.#bytes + STOP_RESERVE_BYTES > this.#limit) this.#end('limit');
  }

  #end(reason: 'limit' | 'microphone'): void {
    if (this.state === 'stopped') return;
    this.ended = reason;
    void this.stop();
  }

  #measure(): void {
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
