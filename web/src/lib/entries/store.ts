/** Finds out where entries are kept. What it takes for sealed ones is loaded when there are any. */

import { api, unwrap } from '../api';
import type { Entry, EntryStore } from './entry';
import { fromServer, plainEntries } from './plain';

/** Where entries under this secret tag are kept; null for those that lie open. */
export async function storeFor(secretTagId: string | null): Promise<EntryStore> {
  if (secretTagId === null) return plainEntries;
  const { sealedEntries } = await import('../secret/entries');
  return sealedEntries(secretTagId);
}

/** One entry, opened if it was sealed. To whoever has not opened its secret tag, it is not there (404). */
export async function loadEntry(id: string): Promise<Entry> {
  const entry = await unwrap(api.GET('/api/journals/{entry_id}', { params: { path: { entry_id: id } } }));
  if (!entry.secret_tag_id) return fromServer(entry);
  const { openOne } = await import('../secret/entries');
  return openOne(entry);
}
