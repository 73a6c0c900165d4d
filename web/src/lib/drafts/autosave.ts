/** Saves open drafts on this device before the page is hidden or left, or a secret tag is locked. */

const savers = new Set<() => Promise<void>>();

/** Adds an open draft. Returns a function that removes it. */
export function registerSaver(save: () => Promise<void>): () => void {
  savers.add(save);
  return () => void savers.delete(save);
}

export async function saveAllDrafts(): Promise<void> {
  await Promise.all([...savers].map((save) => save()));
}
