/**
 * Hands the secret tag of a new entry to the page for writing, in memory: an address would stay in the browser's
 * history.
 */

import { navigate } from '../../router';

let tagOfNewEntry: string | null = null;

/** Opens the page for writing with a new entry under this secret tag. */
export function writeUnderTag(secretTagId: string): void {
  tagOfNewEntry = secretTagId;
  void navigate('/write');
}

/** Returns the secret tag for the new entry, once. */
export function takeNewEntryTag(): string | null {
  const taken = tagOfNewEntry;
  tagOfNewEntry = null;
  return taken;
}
