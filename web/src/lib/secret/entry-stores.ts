/** Finds the store of an entry, plain or sealed. The code for sealed entries is loaded when it is needed. */

import { api, unwrap } from '../api';
import type { Entry, EntryStore } from '../entries/entry';
import { entryFromServer, plainEntries } from '../entries/plain-entries';

/** The store of the entries under this secret tag, or of the plain ones for null. */
export async function entryStoreFor(secretTagId: string | null): Promise<EntryStore> {
  if (secretTagId === null) return plainEntries;
  const { sealedEntries } = await import('./sealed-entries');
  return sealedEntries(secretTagId);
}

/** Loads one entry, and decrypts it if it is sealed. Under a locked secret tag, the server responds with 404. */
export async function loadEntry(id: string): Promise<Entry> {
  const entry = await unwrap(api.GET('/api/journals/{entry_id}', { params: { path: { entry_id: id } } }));
  if (!entry.secret_tag_id) return entryFromServer(entry);
  const { decryptEntry } = await import('./sealed-entries');
  return decryptEntry(entry);
}
