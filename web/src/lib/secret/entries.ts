/** Entries under one open secret tag: sealed and opened in the worker, carried by the page. */

import { api, nextCursor, SottoError, unwrap, type Schemas } from '../api';
import { Conflict, type Draft, type Entry, type EntryPage, type EntryQuery, type EntryStore } from '../entries/entry';
import { fromServer } from '../entries/plain';
import { Unreadable } from './errors';
import { keyring } from './keys';
import { openTags, requireOpen, whileOpen } from './open.svelte';

type Sealed = Schemas['JournalEntry'];

/** Its methods throw Locked when the secret tag is not open, or no longer. */
export function sealedEntries(tag: string): EntryStore {
  return {
    under: tag,

    page: (query, cursor, signal) =>
      whileOpen(tag, () => (isSearch(query) ? search(tag, query, cursor, signal) : list(tag, query, cursor, signal))),

    get: (id) => whileOpen(tag, async () => openOne(await fetchEntry(id))),

    save: (draft) =>
      whileOpen(tag, () => save(tag, draft)).catch((error) => {
        const gone = error instanceof SottoError && error.status === 404 && draft.revision !== null;
        throw gone ? new Conflict(null) : error;
      }),

    remove: (id) =>
      whileOpen(tag, async () => {
        await unwrap(api.DELETE('/api/journals/{entry_id}', { params: { path: { entry_id: id } } }));
        await (await keyring()).forgetEntry(tag, id);
      }),
  };
}

/** Opens an entry as it came from the server, sealed or not. @throws Locked, Unreadable */
export async function openOne(entry: Sealed): Promise<Entry> {
  const tag = entry.secret_tag_id;
  if (!tag) return fromServer(entry);
  requireOpen(tag);
  const [opened] = await (await keyring()).openEntries(tag, [entry]);
  if (!opened) throw new Unreadable();
  openTags.used(tag);
  return opened;
}

/** Seals an entry under this secret tag, be it in plain or under another one, in place of what it was. */
export async function moveIn(entry: Entry, tag: string): Promise<Entry> {
  return whileOpen(tag, async () => {
    const text = { title: entry.title, content: entry.content, tags: entry.tags.map(({ name }) => name) };
    const sealed = await (await keyring()).sealEntry(tag, entry.id, entry.revision + 1, text);
    const moved = await put(entry.id, entry.revision, { secret_tag_id: tag, ...sealed });
    if (entry.secretTagId && entry.secretTagId !== tag) await (await keyring()).forgetEntry(entry.secretTagId, entry.id);
    return openOne(moved);
  });
}

/** Takes an entry out of its secret tag: it lies open on the server from then on. */
export async function moveOut(entry: Entry): Promise<Entry> {
  const tag = entry.secretTagId;
  if (!tag) return entry;
  return whileOpen(tag, async () => {
    const { title, content } = entry;
    const tags = entry.tags.map(({ name }) => name);
    const moved = await put(entry.id, entry.revision, { secret_tag_id: null, title, content, tags });
    await (await keyring()).forgetEntry(tag, entry.id);
    return fromServer(moved);
  });
}

const PAGE = 50;

/** Searches read everything once per opening, so that all of it is found: page by page, as a list would. */
const complete = new Map<string, Promise<void>>();

async function list(tag: string, { whole }: EntryQuery, cursor?: string, signal?: AbortSignal): Promise<EntryPage> {
  const query = { secret_tag_id: tag, limit: PAGE, cursor };
  const answer = api.GET('/api/journals/', { params: { query }, signal });
  const [keys, sealed] = [await keyring(), await unwrap(answer)];
  const opened = await (whole ? keys.openEntries(tag, sealed) : keys.openForList(tag, sealed));
  const entries = opened.filter((entry) => entry !== null);
  const next = nextCursor((await answer).response);
  return { entries, next, unreadable: opened.length - entries.length };
}

async function search(tag: string, query: EntryQuery, cursor?: string, signal?: AbortSignal): Promise<EntryPage> {
  // A secret tag that is opened again begins anew: its session is another one.
  const opening = openTags.get(tag)?.session ?? tag;
  let read = complete.get(opening);
  if (!read) complete.set(opening, (read = readAll(tag).catch((error) => (complete.delete(opening), Promise.reject(error)))));
  await read;
  signal?.throwIfAborted();
  const found = await (await keyring()).search(tag, query);
  const start = Number(cursor ?? 0);
  const end = start + PAGE;
  return { entries: found.slice(start, end), next: end < found.length ? String(end) : undefined };
}

async function readAll(tag: string): Promise<void> {
  let cursor: string | undefined;
  do ({ next: cursor } = await list(tag, {}, cursor));
  while (cursor);
}

const isSearch = ({ q, tag, from, to }: EntryQuery) => Boolean(q?.trim() || tag || from || to);

/** A new key for each save, bound to the revision that the save gives the entry. */
async function save(tag: string, draft: Draft): Promise<Entry> {
  const keys = await keyring();
  // What an entry has besides its text stays with it, so it has to be known.
  if (draft.revision !== null && !(await keys.knows(tag, draft.id))) await openOne(await fetchEntry(draft.id));
  const sealed = await keys.sealEntry(tag, draft.id, (draft.revision ?? 0) + 1, draft);
  const fields = { secret_tag_id: tag, entry_date: draft.date, entry_zone: draft.zone, ...sealed };
  try {
    if (draft.revision !== null) return await openOne(await put(draft.id, draft.revision, fields));
    return await openOne(await unwrap(api.POST('/api/journals/', { body: { id: draft.id, ...fields } })));
  } catch (error) {
    return settle(error, draft);
  }
}

function fetchEntry(id: string): Promise<Sealed> {
  return unwrap(api.GET('/api/journals/{entry_id}', { params: { path: { entry_id: id } } }));
}

function put(id: string, revision: number, body: Schemas['JournalEntryUpdate']): Promise<Sealed> {
  const params = { path: { entry_id: id }, header: { 'if-match': `"${revision}"` } };
  return unwrap(api.PUT('/api/journals/{entry_id}', { params, body }));
}

/** The entry is at another revision. If it says what was to be saved, the answer to an earlier try was lost, and all is well. */
async function settle(error: unknown, draft: Draft): Promise<Entry> {
  if (!(error instanceof SottoError && error.current && (error.status === 412 || error.status === 409))) throw error;
  const current = await openOne(error.current);
  if (says(current, draft)) return current;
  throw new Conflict(current);
}

function says(entry: Entry, draft: Draft): boolean {
  const tags = entry.tags.map(({ name }) => name);
  return (
    entry.title === draft.title &&
    entry.content === draft.content &&
    Date.parse(entry.date) === Date.parse(draft.date) &&
    entry.zone === draft.zone &&
    tags.length === draft.tags.length &&
    tags.every((name, index) => name === draft.tags[index])
  );
}
