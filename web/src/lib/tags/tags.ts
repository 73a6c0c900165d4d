/** The tags of the user, on the server. */

import { api, items, unwrap, type Schemas } from '../api';
import { IdempotentCreate } from '../api/idempotent-create';

/** A tag of an entry. Sealed entries have tags without id and colour, which are words in the sealed text. */
export type EntryTag = { id: string | null; name: string; color: string | null };

export type Tag = Pick<Schemas['TagResponse'], 'id' | 'name'> & { color: string | null };

/** All tags, by name. */
export async function allTags(): Promise<Tag[]> {
  const all: Tag[] = [];
  for await (const tag of items((cursor) => api.GET('/api/tags/', { params: { query: { limit: 1000, cursor } } })))
    all.push(fromServer(tag));
  return all;
}

export async function getTag(id: string): Promise<Tag> {
  return fromServer(await unwrap(api.GET('/api/tags/{tag_id}', { params: { path: { tag_id: id } } })));
}

const idempotentCreate = new IdempotentCreate();

export async function createTag(tag: Omit<Tag, 'id'>): Promise<Tag> {
  return fromServer(
    await idempotentCreate.send(tag, (header) => unwrap(api.POST('/api/tags/', { params: { header }, body: tag }))),
  );
}

export async function changeTag({ id, ...body }: Tag): Promise<Tag> {
  const changed = await unwrap(api.PUT('/api/tags/{tag_id}', { params: { path: { tag_id: id } }, body }));
  return fromServer(changed);
}

/** Deletes a tag, and removes it from its entries. */
export async function deleteTag(id: string): Promise<void> {
  await unwrap(api.DELETE('/api/tags/{tag_id}', { params: { path: { tag_id: id } } }));
}

function fromServer({ id, name, color }: Schemas['TagResponse']): Tag {
  return { id, name, color: color ?? null };
}
