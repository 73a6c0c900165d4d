/** A list of entries that is loaded page by page, as far as somebody scrolls. */

import { SottoError } from '../api';
import { newestFirst, type Entry, type EntryQuery, type EntryStore } from './entry';
import { withRows, type Row } from './rows';

/** `more`: there are further pages. `failed`: the last try to load one; `retry` tries again. */
export type ListState = 'loading' | 'more' | 'all' | 'failed';

export class EntryList {
  state = $state<ListState>('more');
  error = $state.raw<unknown>();
  rows = $state.raw<readonly Row[]>([]);
  /** Sealed entries that could not be opened. */
  unreadable = $state(0);

  #entries: Entry[] = [];
  #known = new Set<string>();
  #next: string | undefined;
  /** Where the next page begins: after this entry, as it was when it was loaded. */
  #edge: Entry | undefined;
  #stopped = new AbortController();
  /** As `state` says; but what is destroyed because of a change reads the state before it, and stops its list then. */
  #loading = false;

  constructor(
    readonly store: EntryStore,
    readonly query: EntryQuery = {},
  ) {}

  get entries(): readonly Entry[] {
    void this.rows;
    return this.#entries;
  }

  /** Nothing has been found, and nothing will be. */
  get empty(): boolean {
    return this.state === 'all' && this.rows.length === 0;
  }

  /** Loads the next page, unless that is under way, there is none, or the last try failed. */
  async more(): Promise<void> {
    if (this.state !== 'more') return;
    this.state = 'loading';
    this.#loading = true;
    // Its own: after a stop and a resume there is another one.
    const { signal } = this.#stopped;
    try {
      const page = await this.store.page(this.query, this.#next, signal);
      if (signal.aborted) return;
      this.#loading = false;
      // One whose date was changed meanwhile can come twice.
      const fresh = page.entries.filter(({ id }) => !this.#known.has(id));
      for (const { id } of fresh) this.#known.add(id);
      this.#entries.push(...fresh);
      this.rows = withRows(this.rows, fresh);
      this.unreadable += page.unreadable ?? 0;
      this.#next = page.next;
      this.#edge = page.entries.at(-1) ?? this.#edge;
      this.state = page.next === undefined ? 'all' : 'more';
    } catch (error) {
      if (signal.aborted) return;
      this.#loading = false;
      this.error = error;
      this.state = 'failed';
    }
  }

  async retry(): Promise<void> {
    if (this.state === 'failed') this.state = 'more';
    await this.more();
  }

  /** Nobody looks at it any more: what is under way is broken off. */
  stop(): void {
    this.#stopped.abort();
    if (!this.#loading) return;
    this.#loading = false;
    this.state = 'more';
  }

  /** Goes on after a stop. No state changes by it, so that it can be called while something is derived. */
  resume(): void {
    if (this.#stopped.signal.aborted) this.#stopped = new AbortController();
  }

  /** Brings these entries up to date, after they were changed, made or deleted elsewhere in the app. */
  async refresh(ids: Iterable<string>): Promise<void> {
    for (const id of ids) {
      try {
        const entry = await this.store.get(id);
        // It may have been moved under a secret tag, or out of it.
        if (entry.secretTagId === (this.store.under ?? null)) this.put(entry);
        else this.drop(id);
      } catch (error) {
        if (error instanceof SottoError && error.status === 404) this.drop(id);
        else throw error;
      }
    }
  }

  /** Takes this entry in where it belongs; below what is loaded, it comes by itself. */
  put(entry: Entry): void {
    const others = this.#entries.filter(({ id }) => id !== entry.id);
    const below = this.#next !== undefined && (!this.#edge || newestFirst(entry, this.#edge) > 0);
    this.#show(below ? others : [...others, entry].sort(newestFirst));
  }

  drop(id: string): void {
    if (this.#known.has(id)) this.#show(this.#entries.filter((entry) => entry.id !== id));
  }

  #show(entries: Entry[]): void {
    this.#entries = entries;
    this.#known = new Set(entries.map(({ id }) => id));
    this.rows = withRows([], entries);
  }
}
