/** Reads the app's data on the device. */

import type { Page } from '@playwright/test';

/** One row: the id of its user, and its content as text, with bytes decoded as Latin-1. */
export type Row = { user: string; text: string };

/** The stored names of the object stores are older than the glossary, and cannot change. The tests use these. */
const STORES: Record<string, string> = {
  keys: 'keys',
  slots: 'drafts',
  asides: 'conflictCopies',
  takes: 'recordings',
  pieces: 'chunks',
};

/** All rows of the app's IndexedDB database, by the name of their object store in {@link STORES}. */
export const deviceRows = (page: Page): Promise<Record<string, Row[]>> =>
  page.evaluate(async (names) => {
    const result = <T>(request: IDBRequest<T>) =>
      new Promise<T>((done, failed) => {
        request.onsuccess = () => done(request.result);
        request.onerror = () => failed(request.error!);
      });
    const bytes = (value: any): string => {
      if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return new TextDecoder('latin1').decode(value);
      return value && typeof value === 'object' ? Object.values(value).map(bytes).join(' ') : String(value);
    };
    const db = await result(indexedDB.open('sotto'));
    const found: Record<string, Row[]> = {};
    for (const store of db.objectStoreNames) {
      const rows = db.transaction(store).objectStore(store);
      // A CryptoKey has no readable content. The key of its row is the user id.
      found[names[store]!] = (await result<any[]>(store === 'keys' ? rows.getAllKeys() : rows.getAll())).map((row) => ({
        user: row.user ?? row,
        text: bytes(row),
      }));
    }
    db.close();
    return found;
  }, STORES);
