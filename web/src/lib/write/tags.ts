/** The tags that a person has, for suggestions. */

import { api, unwrap } from '../api';

/** By name; empty if the server cannot be asked: a tag can be typed all the same. */
export async function knownTags(): Promise<string[]> {
  try {
    return (await unwrap(api.GET('/api/tags/', { params: { query: { limit: 1000 } } }))).map(({ name }) => name);
  } catch {
    return [];
  }
}
