/** Where a new entry is to go, handed over in memory: an address would tell later that there is something to be under. */

import { navigate } from '../../router';

let under: string | null = null;

/** Goes to the page of writing, for an entry under this secret tag. */
export function writeUnder(secretTagId: string): void {
  under = secretTagId;
  void navigate('/write');
}

/** What the entry that is begun now goes under, asked for once. */
export function takeUnder(): string | null {
  const taken = under;
  under = null;
  return taken;
}
