/** The store of plain entries, which the server can read. */

import { api, nextCursor, SottoError, unwrap, type Schemas } from '../api';
import { Conflict, type Draft, type Entry, type EntryStore } from './entry';

export const plainEntries: EntryStore = {
  async page({ whole, ...query }, cursor, signal) {
    // A small first page is shown sooner; a user who scrolls will scroll far.
    const limit = cursor === undefined ? 25 : whole ? 50 : 200;
    const view = whole ? undefined : 'summary';
    const call = api.GET('/api/journals/', { params: { query: { ...query, view, cursor, limit } }, signal });
    const entries = await unwrap(call);
    return { entries: entries.map(entryFromServer), next: nextCursor((await call).response) };
  },

  async get(id) {
    return entryFromServer(await unwrap(api.GET('/api/journals/{entry_id}', { params: { path: { entry_id: id } } })));
  },

  async save(draft) {
    const body = {
      title: draft.title,
      content: draft.content,
      tags: draft.tags,
      entry_date: draft.date,
      entry_zone: draft.zone,
    };
    try {
      if (draft.revision === null) {
        return entryFromServer(await unwrap(api.POST('/api/journals/', { body: { id: draft.id, ...body } })));
      }
      const params = { path: { entry_id: draft.id }, header: { 'if-match': `"${draft.revision}"` } };
      return entryFromServer(await unwrap(api.PUT('/api/journals/{entry_id}', { params, body })));
    } catch (error) {
      throw asConflict(error, draft);
    }
  },

  async remove(id) {
    await unwrap(api.DELETE('/api/journals/{entry_id}', { params: { path: { entry_id: id } } }));
  },
};

export function entryFromServer(entry: Schemas['JournalEntry']): Entry {
  return {
    id: entry.id,
    title: entry.title ?? null,
    content: entry.content,
    truncated: entry.truncated ?? false,
    tags: entry.tags.map(({ id, name, color }) => ({ id, name, color: color ?? null })),
    date: entry.entry_date,
    zone: entry.entry_zone,
    secretTagId: entry.secret_tag_id ?? null,
    revision: entry.revision,
    createdAt: entry.created_at,
    updatedAt: entry.updated_at,
    audio: entry.audio_url ? { url: entry.audio_url, mediaType: null, key: null } : null,
  };
}

function asConflict(error: unknown, draft: Draft): unknown {
  if (!(error instanceof SottoError)) return error;
  // 409: another entry has this id.
  if (error.status === 412 || (error.status === 409 && error.current)) {
    return new Conflict(error.current ? entryFromServer(error.current) : null);
  }
  if (error.status === 404 && draft.revision !== null) return new Conflict(null);
  return error;
}
