/**
 * The key that encrypts a user's drafts. The server keeps it and gives it to the signed-in user. This device stores it
 * in IndexedDB, not exportable by scripts, until sign-out; drafts that stay on the device can be read after the next
 * sign-in.
 */

import { api, unwrap } from '../api';
import { decode } from '../base64url';
import { importKey } from './cipher';
import { database } from './draft-database';

let known: { user: string; key: CryptoKey } | undefined;
let loading: Promise<CryptoKey | null> | undefined;
let forgotten = false;

/** Returns null if no key is available now: no network yet, no storage, or an insecure page, which has no WebCrypto. */
export async function accountKey(user: string): Promise<CryptoKey | null> {
  if (known?.user === user) return known.key;
  if (forgotten || globalThis.crypto?.subtle === undefined) return null;
  loading ??= load(user).finally(() => (loading = undefined));
  return loading;
}

/** For the sign-out: from now on, this page neither reads nor writes drafts. */
export async function forgetAccountKey(): Promise<void> {
  forgotten = true;
  known = undefined;
  await deleteStoredKeys();
}

/** Deletes the keys that an interrupted sign-out has left on this device. */
export async function deleteStoredKeys(): Promise<void> {
  try {
    await (await database()).clear('keys');
  } catch {
    // Without storage there is no stored key.
  }
}

async function load(user: string): Promise<CryptoKey | null> {
  try {
    const db = await database();
    const key = (await db.get('keys', user)) ?? (await fetchKey());
    if (forgotten) return null;
    await db.put('keys', key, user);
    known = { user, key };
    return key;
  } catch {
    return null;
  }
}

async function fetchKey(): Promise<CryptoKey> {
  const { key } = await unwrap(api.GET('/api/users/me/draft-key'));
  return importKey(decode(key));
}
