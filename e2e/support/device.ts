/** What the app keeps on this device. */

import type { Page } from '@playwright/test';

/** One row: whose it is, and its bytes as if they were text. */
export type Row = { user: string; text: string };

/** All rows of the app's database, by store. */
export const onDevice = (page: Page): Promise<Record<string, Row[]>> =>
  page.evaluate(async () => {
    const settled = <T>(request: IDBRequest<T>) =>
      new Promise<T>((done, failed) => {
        request.onsuccess = () => done(request.result);
        request.onerror = () => failed(request.error);
      });
    const bytes = (value: any): string => {
      if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return new TextDecoder('latin1').decode(value);
      return value && typeof value === 'object' ? Object.values(value).map(bytes).join(' ') : String(value);
    };
    const db = await settled(indexedDB.open('sotto'));
    const found: Record<string, Row[]> = {};
    for (const store of db.objectStoreNames) {
      const rows = db.transaction(store).objectStore(store);
      // A key of WebCrypto says nothing; it lies under whose it is.
      found[store] = (await settled<any[]>(store === 'keys' ? rows.getAllKeys() : rows.getAll())).map((row) => ({ user: row.user ?? row, text: bytes(row) }));
    }
    db.close();
    return found;
  });
