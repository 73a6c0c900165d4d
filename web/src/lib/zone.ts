/**
 * Names of time zones. The server may have stored a zone that this browser does not know, for which `Intl` throws.
 * Such a zone is treated as UTC, as on the server, and the page shows a note.
 */

const known = new Map<string, boolean>();

/** Whether this browser knows the zone. Browsers know more names than they list, such as `UTC`. */
export function isKnownZone(zone: string): boolean {
  let found = known.get(zone);
  if (found === undefined) known.set(zone, (found = accepts(zone)));
  return found;
}

/** The zone to pass to `Intl`: UTC if this browser does not know the zone. */
export function supportedZone(zone: string): string {
  return isKnownZone(zone) ? zone : 'UTC';
}

/**
 * The zone for an entry that is created again: the server accepts an unknown zone only if it is that of the account.
 */
export function zoneForNewEntry(zone: string, own: string): string {
  return zone === own ? zone : supportedZone(zone);
}

/** The zone of this device; UTC if it has none. */
export function deviceZone(): string {
  // Without a zone, browsers report nothing or a placeholder that the server rejects.
  const zone: string | undefined = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return zone && zone !== 'Etc/Unknown' ? supportedZone(zone) : 'UTC';
}

function accepts(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
