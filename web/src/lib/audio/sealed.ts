/**
 * Recordings of entries under a secret tag: encrypted and decrypted in this tab (docs/protocol.md). The key of each is in the
 * sealed text of its entry, and nowhere else. The entry has it before the recording is sent, and keeps the one before until
 * that has arrived: wherever this breaks off, what is there can be opened.
 */

import { openRecording, Recording as Opened, sealRecording } from '@sotto/vault/recording.js';

import { api, SottoError, unwrap } from '../api';
import { Conflict, type Recording } from '../entries/entry';
import { sealedEntries } from '../secret/entries';
import { NotSent, Unreadable } from '../secret/errors';
import { keyring } from '../secret/keys';
import { whileOpen } from '../secret/open.svelte';
import { session } from '../session.svelte';
import { address, put, type Sending } from './transfer';

/** Somebody may be saving the text meanwhile; so often it is tried again. */
const TRIES = 5;
/** The bytes that tell which key a recording opens with. */
const HEAD = 81;

/** @throws SottoError; Locked if the secret tag is closed before it is done. */
export async function keepSealed(id: string, tag: string, blob: Blob, sending: Sending): Promise<Recording> {
  const { audioKey, sealed } = await sealRecording(placeOf(id), blob);
  const former = await presentKey(id, tag);
  sending.signal.throwIfAborted();
  const recording: Recording = { url: address(id), mediaType: blob.type, key: audioKey };
  const before: Recording | null = former && { ...recording, key: former };
  await giveKeys(id, tag, former ? { ...recording, formerKey: former } : recording);
  try {
    await whileOpen(tag, (unlock) => put(address(id), sealed, { ...unlock, 'content-type': sealed.type }, sending));
  } catch (error) {
    // Called back, it can have arrived all the same: both keys stay, unless there is only one, of what nobody wanted to keep.
    const unwanted = !former && sending.signal.aborted;
    // If this does not get through either, they stay as well.
    if (unwanted || isRefused(error)) await giveKeys(id, tag, before).catch(() => {});
    throw error;
  }
  // If this does not get through, whoever listens to it finds out, and the next save does the same.
  if (former) await giveKeys(id, tag, recording).catch(() => {});
  return recording;
}

/**
 * The recording as it was before it was encrypted.
 *
 * @throws SottoError; NotSent if it is not there; Unreadable if it was changed or is another one.
 */
export async function openSealed(id: string, tag: string, key: Uint8Array, formerKey?: Uint8Array): Promise<Blob> {
  const sealed = await read(id, tag, 'blob');
  if (!sealed) throw new NotSent();
  const opened = await openWith({ key, formerKey }, id, tag, sealed);
  if (opened) return opened;
  // It may have been replaced since these keys were read.
  const { audio } = await sealedEntries(tag).get(id);
  const again = audio?.key && (await openWith(audio, id, tag, sealed));
  if (!again) throw new Unreadable();
  return again;
}

async function openWith({ key, formerKey }: Pick<Recording, 'key' | 'formerKey'>, id: string, tag: string, sealed: Blob): Promise<Blob | null> {
  for (const one of [key, formerKey]) {
    if (!one) continue;
    try {
      const opened = await openRecording(placeOf(id), one, sealed);
      if (formerKey) await (await keyring()).audioOpensWith(tag, id, one);
      return opened;
    } catch {
      // It is the other one's, or nobody's.
    }
  }
  return null;
}

/** The entry has no recording any more. */
export async function forgetKey(id: string, tag: string): Promise<void> {
  await giveKeys(id, tag, null);
}

/** Which of the entry's keys opens the recording that is there; null if there is none, or none that opens. */
async function presentKey(id: string, tag: string): Promise<Uint8Array | null> {
  const { audio } = await sealedEntries(tag).get(id);
  const keys = [audio?.key, audio?.formerKey].filter((key) => key instanceof Uint8Array);
  const head = keys.length > 0 && (await read(id, tag, 'arrayBuffer', { range: `bytes=0-${HEAD - 1}` }));
  if (!head) return null;
  for (const key of keys) {
    const opens = Opened.open(placeOf(id), key, async () => new Uint8Array(head, 0, Math.min(HEAD, head.byteLength)));
    if (await opens.then(() => true, () => false)) return key;
  }
  return null;
}

/** What is there of the recording, as it was sent; null if there is none. */
async function read<T extends 'blob' | 'arrayBuffer'>(id: string, tag: string, parseAs: T, more: { range?: string } = {}) {
  const params = { path: { entry_id: id }, header: more };
  try {
    const body = await whileOpen(tag, (headers) => unwrap(api.GET('/api/journals/{entry_id}/audio', { params, headers, parseAs })));
    return body as unknown as T extends 'blob' ? Blob : ArrayBuffer;
  } catch (error) {
    if (error instanceof SottoError && error.status === 404) return null;
    throw error;
  }
}

/** Seals the entry again, as it is now, with these keys in it. */
async function giveKeys(id: string, tag: string, audio: Recording | null): Promise<void> {
  const store = sealedEntries(tag);
  for (let tries = 1; ; tries++) {
    const { title, content, tags, date, zone, revision, audio: present } = await store.get(id);
    if (sameKeys(present, audio)) return;
    const draft = { id, revision, title, content, tags: tags.map(({ name }) => name), date, zone, audio };
    try {
      const saved = await store.save(draft);
      // The answer can be what another save has made of it.
      if (sameKeys(saved.audio, audio)) return;
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
    }
    if (tries === TRIES) throw new SottoError(503, {});
  }
}

/** Whether a recording has not arrived for certain: it was refused, and not merely left without an answer. */
function isRefused(error: unknown): boolean {
  return error instanceof SottoError && ((error.status >= 400 && error.status < 500) || error.status === 507);
}

const placeOf = (entry: string) => ({ user: session.user.id, entry });

function sameKeys(one: Recording | null, other: Recording | null): boolean {
  const keys = (recording: Recording | null) => `${recording?.key ?? ''} ${recording?.formerKey ?? ''}`;
  return keys(one) === keys(other);
}
