/** The entries under one unlocked secret tag: the worker encrypts and decrypts them, the page makes the requests. */

import { api, nextCursor, SottoError, unwrap, type Schemas } from '../api';
import { Conflict, type Draft, type Entry, type EntryPage, type EntryQuery, type EntryStore } from '../entries/entry';
import { entryFromServer } from '../entries/plain-entries';
import { Unreadable } from './errors';
import { keyring } from './keyring-client';
import { unlockedTags, requireUnlocked, whileUnlocked } from './unlocked-tags.svelte';

type Sealed = Schemas['JournalEntry'];

/** The methods throw Locked if the secret tag is locked. */
export function sealedEntries(tag: string): EntryStore {
  return {
    under: tag,

    page: (query, cursor, signal) =>
      whileUnlocked(tag, () =>
        isSearch(query) ? search(tag, query, cursor, signal) : list(tag, query, cursor, signal),
      ),

    get: (id) => whileUnlocked(tag, async () => decryptEntry(await fetchEntry(id))),

    save: (draft) =>
      whileUnlocked(tag, () => save(tag, draft)).catch((error) => {
        const deleted = error instanceof SottoError && error.status === 404 && draft.revision !== null;
        throw deleted ? new Conflict(null) : error;
      }),

    remove: (id) =>
      whileUnlocked(tag, async () => {
        await unwrap(api.DELETE('/api/journals/{entry_id}', { params: { path: { entry_id: id } } }));
        await (await keyring()).forgetEntry(tag, id);
      }),
  };
}

/** Converts an entry from the server, and decrypts it if it is sealed. @throws Locked, Unreadable */
export async function decryptEntry(entry: Sealed): Promise<Entry> {
  const tag = entry.secret_tag_id;
  if (!tag) return entryFromServer(entry);
  requireUnlocked(tag);
  const [opened] = await (await keyring()).openEntries(tag, [entry]);
  if (!opened) throw new Unreadable();
  unlockedTags.markUsed(tag);
  return opened;
}

/** Moves an entry under this secret tag, from no tag or from another one. */
export async function moveUnderTag(entry: Entry, tag: string): Promise<Entry> {
  return whileUnlocked(tag, async () => {
    const text = { title: entry.title, content: entry.content, tags: entry.tags.map(({ name }) => name) };
    const sealed = await (await keyring()).sealEntry(tag, entry.id, entry.revision + 1, text);
    const moved = await put(entry.id, entry.revision, { secret_tag_id: tag, ...sealed });
    if (entry.secretTagId && entry.secretTagId !== tag)
      await (await keyring()).forgetEntry(entry.secretTagId, entry.id);
    return decryptEntry(moved);
  });
}

/** Moves an entry out of its secret tag: from then on, the server can read it. */
export async function moveOutOfTag(entry: Entry): Promise<Entry> {
  const tag = entry.secretTagId;
  if (!tag) return entry;
  return whileUnlocked(tag, async () => {
    const { title, content } = entry;
    const tags = entry.tags.map(({ name }) => name);
    const moved = await put(entry.id, entry.revision, { secret_tag_id: null, title, content, tags });
    await (await keyring()).forgetEntry(tag, entry.id);
    return entryFromServer(moved);
  });
}

const PAGE = 50;

/** The first search after each unlock loads all entries, because the search finds decrypted entries only. */
const complete = new Map<string, Promise<void>>();

async function list(tag: string, { whole }: EntryQuery, cursor?: string, signal?: AbortSignal): Promise<EntryPage> {
  const query = { secret_tag_id: tag, limit: PAGE, cursor };
  const call = api.GET('/api/journals/', { params: { query }, signal });
  const [keys, sealed] = [await keyring(), await unwrap(call)];
  const opened = await (whole ? keys.openEntries(tag, sealed) : keys.openForList(tag, sealed));
  const entries = opened.filter((entry) => entry !== null);
  const next = nextCursor((await call).response);
  return { entries, next, unreadable: opened.length - entries.length };
}

async function search(tag: string, query: EntryQuery, cursor?: string, signal?: AbortSignal): Promise<EntryPage> {
  // Each unlock has another session.
  const unlock = unlockedTags.get(tag)?.session ?? tag;
  let read = complete.get(unlock);
  if (!read)
    complete.set(unlock, (read = readAll(tag).catch((error) => (complete.delete(unlock), Promise.reject(error)))));
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

/** Each save has a new key, which is bound to the new revision of the entry. */
async function save(tag: string, draft: Draft): Promise<Entry> {
  const keys = await keyring();
  // The keys of a recording stay with the entry, so the keyring has to know them.
  if (draft.revision !== null && !(await keys.knows(tag, draft.id))) await decryptEntry(await fetchEntry(draft.id));
  const sealed = await keys.sealEntry(tag, draft.id, (draft.revision ?? 0) + 1, draft);
  const fields = { secret_tag_id: tag, entry_date: draft.date, entry_zone: draft.zone, ...sealed };
  try {
    if (draft.revision !== null) return await decryptEntry(await put(draft.id, draft.revision, fields));
    return await decryptEntry(await unwrap(api.POST('/api/journals/', { body: { id: draft.id, ...fields } })));
  } catch (error) {
    return resolveConflict(error, draft);
  }
}

function fetchEntry(id: string): Promise<Sealed> {
  return unwrap(api.GET('/api/journals/{entry_id}', { params: { path: { entry_id: id } } }));
}

function put(id: string, revision: number, body: Schemas['JournalEntryUpdate']): Promise<Sealed> {
  const params = { path: { entry_id: id }, header: { 'if-match': `"${revision}"` } };
  return unwrap(api.PUT('/api/journals/{entry_id}', { params, body }));
}

/**
 * The entry has another revision. If it has the text of the draft, an earlier save succeeded and its response was
 * lost.
 */
async function resolveConflict(error: unknown, draft: Draft): Promise<Entry> {
  if (!(error instanceof SottoError && error.current && (error.status === 412 || error.status === 409))) throw error;
  const current = await decryptEntry(error.current);
  if (hasTextOf(current, draft)) return current;
  throw new Conflict(current);
}

function hasTextOf(entry: Entry, draft: Draft): boolean {
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
