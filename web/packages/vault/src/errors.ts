/** The errors that data from elsewhere can cause, in the words of the Rust side. */

/** Authentication failed: a wrong key, changed data, or data that was moved from another place. */
export function cannotBeOpened(what: string): Error {
  return new Error(`the ${what} cannot be opened: it was changed, or does not belong here`);
}

/** The data has a version or a layout that this code does not know. */
export function newerVersion(what: string): Error {
  return new Error(`the ${what} was written by a newer version`);
}
