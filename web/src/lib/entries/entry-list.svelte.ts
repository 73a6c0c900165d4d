/** The entry list: loads pages of an entry store one by one. */

import { SottoError } from '../api';
import { newestFirst, type Entry, type EntryQuery, type EntryStore } from './entry';
import { withRows, type Row } from './list-rows';

/** `more`: there are further pages. `failed`: the last page could not be loaded, and `retry` tries again. */
export type ListState = 'loading' | 'more' | 'all' | 'failed';

export class EntryList {
  state = $state<ListState>('more');
  error = $state.raw<unknown>();
  rows = $state.raw<readonly Row[]>([]);
  /** How many sealed entries could not be decrypted. */
  unreadable = $state(0);

  #entries: Entry[] = [];
  #known = new Set<string>();
  #next: string | undefined;
  /** The last loaded entry, in the version in which it was loaded: the next page starts after it. */
  #edge: Entry | undefined;
  #stopped = new AbortController();
  /** Like `state === 'loading'`. A component that is being destroyed calls `stop` and would read an older `state`. */
  #loading = false;

  constructor(
    readonly store: EntryStore,
    readonly query: EntryQuery = {},
  ) {}

  get entries(): readonly Entry[] {
    void this.rows;
    return this.#entries;
  }

  /** Everything is loaded, and there is no entry. */
  get empty(): boolean {
    return this.state === 'all' && this.rows.length === 0;
  }

  /** Loads the next page, unless a page is being loaded, there is none, or the last attempt failed. */
  async more(): Promise<void> {
    if (this.state !== 'more') return;
    this.state = 'loading';
    this.#loading = true;
    // Kept for this call: after `stop` and `resume`, `#stopped` is another one.
    const { signal } = this.#stopped;
    try {
      const page = await this.store.page(this.query, this.#next, signal);
      if (signal.aborted) return;
      this.#loading = false;
      // An entry whose date has changed between two requests can appear on two pages.
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

  /** Cancels the request that is under way, when the list leaves the screen. */
  stop(): void {
    this.#stopped.abort();
    if (!this.#loading) return;
    this.#loading = false;
    this.state = 'more';
  }

  /** Undoes `stop`. Changes no `$state`, so it can be called in a `$derived`. */
  resume(): void {
    if (this.#stopped.signal.aborted) this.#stopped = new AbortController();
  }

  /** Updates these entries after they were created, changed or deleted elsewhere in the app. */
  async refresh(ids: Iterable<string>): Promise<void> {
    for (const id of ids) {
      try {
        const entry = await this.store.get(id);
        // The entry may have been moved under a secret tag, or out of it.
        if (entry.secretTagId === (this.store.under ?? null)) this.put(entry);
        else this.drop(id);
      } catch (error) {
        if (error instanceof SottoError && error.status === 404) this.drop(id);
        else throw error;
      }
    }
  }

  /** Puts an entry in its place in the list. An entry below the loaded pages comes with a later page. */
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
