/** Lists the files of a build. */

import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** The paths of all files in a folder, such as `assets/index-1a2b.js`, sorted. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}
