/** The tags of a person, on the server. */

import { api, items, unwrap, type Schemas } from '../api';
import { forgetVisits } from '../entries/visit';

export type Tag = Pick<Schemas['TagResponse'], 'id' | 'name'> & { color: string | null };

/** All tags, by name. */
export async function allTags(): Promise<Tag[]> {
  const all: Tag[] = [];
  for await (const tag of items((cursor) => api.GET('/api/tags/', { params: { query: { limit: 1000, cursor } } }))) all.push(fromServer(tag));
  return all;
}

export async function getTag(id: string): Promise<Tag> {
  return fromServer(await unwrap(api.GET('/api/tags/{tag_id}', { params: { path: { tag_id: id } } })));
}

export async function makeTag(tag: Omit<Tag, 'id'>): Promise<Tag> {
  return fromServer(await unwrap(api.POST('/api/tags/', { body: tag })));
}

export async function changeTag({ id, ...body }: Tag): Promise<Tag> {
  const changed = await unwrap(api.PUT('/api/tags/{tag_id}', { params: { path: { tag_id: id } }, body }));
  // Lists show their entries with the tag as it was.
  forgetVisits();
  return fromServer(changed);
}

/** Entries lose it, and stay. */
export async function deleteTag(id: string): Promise<void> {
  await unwrap(api.DELETE('/api/tags/{tag_id}', { params: { path: { tag_id: id } } }));
  forgetVisits();
}

function fromServer({ id, name, color }: Schemas['TagResponse']): Tag {
  return { id, name, color: color ?? null };
}
