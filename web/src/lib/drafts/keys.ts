/**
 * The key of an account's drafts. The server keeps it and gives it to whoever is signed in; here it lies in IndexedDB,
 * unreadable for scripts, until the person signs out. What stays behind then is opened by the next sign-in alone.
 */

import { api, unwrap } from '../api';
import { decode } from '../base64url';
import { importKey } from './cipher';
import { database } from './shelf';

let known: { user: string; key: CryptoKey } | undefined;
let asking: Promise<CryptoKey | null> | undefined;
let left = false;

/** null if there is none to be had now: no network yet, no storage, or a page that was not served safely (no WebCrypto). */
export async function accountKey(user: string): Promise<CryptoKey | null> {
  if (known?.user === user) return known.key;
  if (left || globalThis.crypto?.subtle === undefined) return null;
  asking ??= find(user).finally(() => (asking = undefined));
  return asking;
}

/** For the sign-out: from here on, this page opens and writes no more drafts. */
export async function forgetKeys(): Promise<void> {
  left = true;
  known = undefined;
  try {
    await (await database()).clear('keys');
  } catch {
    // Without storage there is nothing to forget.
  }
}

async function find(user: string): Promise<CryptoKey | null> {
  try {
    const db = await database();
    const key = (await db.get('keys', user)) ?? (await ask());
    if (left) return null;
    await db.put('keys', key, user);
    known = { user, key };
    return key;
  } catch {
    return null;
  }
}

async function ask(): Promise<CryptoKey> {
  const { key } = await unwrap(api.GET('/api/users/me/draft-key'));
  return importKey(decode(key));
}
