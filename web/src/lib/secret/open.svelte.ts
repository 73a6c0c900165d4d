/**
 * Which secret tags are open in this tab of the browser, and how they are closed: by the person, by the server, by time,
 * or because the page goes away. All of this is in memory alone.
 */

import { flushSync } from 'svelte';

import { api, SottoError, unwrap } from '../api';
import { where } from '../drafts/where.svelte';
import { storeFor } from '../entries/store';
import { forgetVisits } from '../entries/visit';
import { t } from '../i18n/index.svelte';
import { beforeSignOut, session } from '../session.svelte';
import { notices } from '../ui/notices.svelte';
import { navigate } from '../../router';
import { Locked } from './errors';
import { forgetKeys, keyring } from './keys';
import type { Attempt, Opened } from './keyring';

/** A use moves the end this far ahead; the server's own 15 minutes may have begun up to one earlier. */
const IDLE = 14 * 60_000;
/** How often the server is asked whether all is still open. Asking is not a use. */
const CHECK = 60_000;

export type OpenTag = Omit<Opened, 'token'>;

let all = $state<OpenTag[]>([]);
let chosen = $state<string | null>(null);
/** How many secret tags there are besides one, as of the last time that a phrase was tried. */
let others = $state(0);
let leaving = $state(false);

/** By id. */
const tokens = new Map<string, string>();
/** Asked for when one is opened: whoever keeps a draft while it is closed does not have to wait for the worker then. */
const draftKeys = new Map<string, Promise<CryptoKey>>();
/** Addresses at which something sealed was shown, with what it was under. */
const exposed = new Map<string, Set<string>>();

/** Other tabs of the same browser close with this one. */
const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('sotto.close') : null;
channel?.addEventListener('message', () => closeHere(all.map(({ id }) => id)));

export const openTags = {
  get all(): readonly OpenTag[] {
    return all;
  },
  get(id: string): OpenTag | undefined {
    return all.find((tag) => tag.id === id);
  },
  /** The one whose page is shown. */
  get chosen(): OpenTag | undefined {
    return all.find(({ id }) => id === chosen) ?? all[0];
  },
  choose(id: string): void {
    chosen = id;
  },
  /**
   * As many tries of an open one may have failed without anybody else: it may have been tried once for each other secret tag
   * that was opened since, as what was opened last is tried first.
   */
  get usualTries(): number {
    return others;
  },
  /** While this is true, the page is blank: what it showed is being left. */
  get leaving(): boolean {
    return leaving;
  },

  /** Tries a phrase on everything that is closed. */
  async open(phrase: string): Promise<Attempt> {
    const keys = await keyring();
    return take(await keys.open(session.user.id, await ids(), phrase).finally(endIfIdle));
  },
  async recover(recoveryKey: string, phrase: string): Promise<Attempt> {
    const keys = await keyring();
    return take(await keys.recover(session.user.id, await ids(), recoveryKey, phrase).finally(endIfIdle));
  },
  /** Makes the one that was prepared, and opens it. */
  async create(name: string): Promise<void> {
    take({ opened: await (await keyring()).create(session.user.id, name) });
  },

  /** Takes over what was changed about one. */
  changed(id: string, change: Partial<Pick<OpenTag, 'name' | 'color' | 'version' | 'failedTries'>>): void {
    const tag = openTags.get(id);
    if (tag) Object.assign(tag, change);
  },
  /** It was used: it stays open for longer, and something of it is on the screen now. */
  used(id: string): void {
    const tag = openTags.get(id);
    if (!tag) return;
    const end = new Date(Date.now() + IDLE).toISOString();
    if (end > tag.expiresAt) tag.expiresAt = end;
    const shown = exposed.get(location.href) ?? new Set();
    exposed.set(location.href, shown.add(id));
  },

  /** Closes one, for all logins of the person. */
  async close(id: string): Promise<void> {
    closeHere([id]);
    const answer = api.POST('/api/secret-tags/{secret_tag_id}/lock', { params: { path: { secret_tag_id: id } } });
    await answer.catch(() => {});
  },
  /** It was deleted. */
  gone(id: string): void {
    closeHere([id], true);
  },
  /** Closes all at once, here and everywhere, and leaves the screen. */
  async closeAll(): Promise<void> {
    const any = all.length > 0;
    closeHere(all.map(({ id }) => id), true);
    if (!any) return;
    channel?.postMessage('close');
    await api.POST('/api/secret-tags/lock', { keepalive: true }).catch(() => {});
  },
  /** Asks the server whether what is open here still is, and closes what is not. */
  check,
};

/** What `X-Sotto-Unlock` has to be for requests about entries; null if nothing is open. */
function unlockHeader(): string | null {
  return tokens.size > 0 ? [...tokens.values()].join(', ') : null;
}

/** The key for drafts of entries under this secret tag; null while it is closed. */
export function draftKey(secretTagId: string): Promise<CryptoKey> | null {
  return draftKeys.get(secretTagId) ?? null;
}

/** Runs what needs it open, with its token. If the server says no, it is asked whether it is still open: then this throws Locked. */
export async function whileOpen<T>(id: string, run: (header: { 'x-sotto-unlock': string }) => Promise<T>): Promise<T> {
  requireOpen(id);
  try {
    const result = await run({ 'x-sotto-unlock': tokens.get(id)! });
    openTags.used(id);
    return result;
  } catch (error) {
    if (error instanceof SottoError && (error.status === 403 || error.status === 404)) {
      await check().catch(() => {});
      requireOpen(id);
    }
    throw error;
  }
}

/** @throws Locked if it is not open. */
export function requireOpen(id: string): void {
  if (!tokens.has(id)) throw new Locked();
}

function take(attempt: Attempt): Attempt {
  if (!attempt.opened) return attempt;
  const { token, ...tag } = attempt.opened;
  tokens.set(tag.id, token);
  const draftKey = keyring().then((keys) => keys.draftKey(tag.id));
  draftKey.catch(() => {});
  draftKeys.set(tag.id, draftKey);
  all.push(tag);
  chosen = tag.id;
  return attempt;
}

/** Forgets at once; then the screen is left if it showed something of it, or in any case. */
function closeHere(ids: string[], leave = false): void {
  // What is being written is kept with a key that whoever writes it has.
  for (const id of ids) void where.close(id).catch(() => {});
  forgetVisits();
  const shown = ids.some((id) => exposed.get(location.href)?.has(id));
  for (const id of ids) {
    tokens.delete(id);
    draftKeys.delete(id);
    for (const tags of exposed.values()) tags.delete(id);
  }
  all = all.filter(({ id }) => !ids.includes(id));
  if (all.length === 0) forgetKeys();
  else void keyring().then((keys) => Promise.all(ids.map((id) => keys.close(id))));
  if (leave || shown) void leaveScreen();
}

/** The page is gone from the document when this returns; a harmless one takes its place in the history. */
async function leaveScreen(): Promise<void> {
  leaving = true;
  notices.wipe();
  flushSync();
  document.title = t('common:appName');
  try {
    await navigate('/', { replace: true });
  } finally {
    leaving = false;
  }
}

async function check(): Promise<void> {
  if (all.length === 0) return;
  const sessions = await unwrap(api.GET('/api/opaque-sessions/'));
  const lasting = new Map(sessions.filter(({ state }) => state === 'unlocked').map((one) => [one.id, one.expires_at]));
  const ended = all.filter(({ session }) => !lasting.has(session)).map(({ id }) => id);
  for (const tag of all) tag.expiresAt = lasting.get(tag.session) ?? tag.expiresAt;
  if (ended.length > 0) expire(ended);
}

function expire(ids: string[]): void {
  closeHere(ids);
  notices.say(t('secret:expired'));
}

/** In the order in which a phrase is tried on them: what was opened last comes first. */
async function ids(): Promise<string[]> {
  const tags = await unwrap(api.GET('/api/secret-tags/'));
  others = Math.max(0, tags.length - 1);
  return tags.map(({ id }) => id);
}

/** Without anything open, the worker has nothing to do; what it was told is forgotten with it. */
export function endIfIdle(): void {
  setTimeout(() => {
    if (all.length === 0) forgetKeys();
  });
}

api.use({
  onRequest({ request, schemaPath }) {
    const header = unlockHeader();
    if (header && schemaPath.startsWith('/api/journals/')) request.headers.set('X-Sotto-Unlock', header);
  },
});

where.secretTagsAre({
  open: () => all,
  draftKey,
  entries: (id) => (tokens.has(id) ? storeFor(id) : null),
});

beforeSignOut(async () => {
  if (all.length > 0) await openTags.closeAll();
});

// Also when the page is kept for the way back: what comes back then is empty.
addEventListener('pagehide', () => {
  for (const { session } of all) void fetch(`/api/opaque-sessions/${session}`, { method: 'DELETE', keepalive: true });
  if (all.length > 0) closeHere(all.map(({ id }) => id), true);
});

$effect.root(() => {
  // Another login is another person to the server: its tokens are worth nothing.
  $effect(() => {
    if (session.state === 'ended' && all.length > 0) closeHere(all.map(({ id }) => id));
  });
  $effect(() => {
    if (all.length === 0) return;
    const timer = setInterval(() => {
      const over = all.filter(({ expiresAt }) => Date.parse(expiresAt) <= Date.now()).map(({ id }) => id);
      if (over.length > 0) expire(over);
      // Out of reach is not closed.
      else if (document.visibilityState === 'visible') check().catch(() => {});
    }, CHECK);
    const back = () => document.visibilityState === 'visible' && check().catch(() => {});
    document.addEventListener('visibilitychange', back);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', back);
    };
  });
});
