/**
 * The secret tags that are unlocked in this tab, and what locks them: the user, the server, inactivity, or the end of
 * the page. All of this is kept in memory only.
 */

import { flushSync } from 'svelte';

import { api, SottoError, unwrap } from '../api';
import { forgetLists } from '../entries/list-history';
import { t } from '../i18n/index.svelte';
import { serverNow } from '../server-clock';
import { session } from '../session.svelte';
import { notices } from '../ui/notices.svelte';
import { navigate } from '../../router';
import { Locked } from './errors';
import { keyring, stopKeyring } from './keyring-client';
import type { Attempt, Unlocked } from './keyring';

/**
 * A use extends the unlock by so many ms. The server allows 15 minutes, which may have started up to a minute earlier.
 */
const IDLE = 14 * 60_000;
/** How often the server is asked whether the tags are still unlocked, in ms. Such a request is not a use. */
const CHECK_EVERY = 60_000;

export type UnlockedTag = Omit<Unlocked, 'token'>;

/** Steps of other parts of the app; app/lifecycle.ts provides them. */
export type TagSteps = {
  /**
   * A tag is being locked. Its unsaved text is off the screen when this returns, and saved when the promise resolves.
   */
  locked: (secretTagId: string) => Promise<void>;
  /** A tag was deleted on the server, and is still unlocked here. */
  deleted: (secretTagId: string) => Promise<void>;
};

let all = $state<UnlockedTag[]>([]);
let selected = $state<string | null>(null);
/** The number of the other secret tags at the last attempt to unlock: each of them can have got a failed attempt. */
let others = $state(0);
let leaving = $state(false);
let steps: TagSteps = { locked: async () => {}, deleted: async () => {} };

/** Unlock tokens by tag. */
const tokens = new Map<string, string>();
/** Loaded at the unlock, so that a draft can be saved while the tag is being locked, without the worker. */
const draftKeys = new Map<string, Promise<CryptoKey>>();
/** The addresses of pages that have shown sealed entries, each with the secret tags of these entries. */
const exposed = new Map<string, Set<string>>();

/** The other tabs of this browser lock their tags together with this one. */
const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('sotto.close') : null;

export const unlockedTags = {
  get all(): readonly UnlockedTag[] {
    return all;
  },
  get(id: string): UnlockedTag | undefined {
    return all.find((tag) => tag.id === id);
  },
  /** The tag whose page is shown. */
  get selected(): UnlockedTag | undefined {
    return all.find(({ id }) => id === selected) ?? all[0];
  },
  select(id: string): void {
    selected = id;
  },
  /**
   * How many failed attempts at a tag are normal: one for each other tag that was unlocked since, because the tag that
   * was unlocked last is tried first.
   */
  get usualTries(): number {
    return others;
  },
  /** While true, the shell shows no page: the page is being replaced by the journal. */
  get leaving(): boolean {
    return leaving;
  },
  isUnlocked: (id: string): boolean => tokens.has(id),
  /** The key for drafts under this tag; null while it is locked. */
  draftKey: (id: string): Promise<CryptoKey> | null => draftKeys.get(id) ?? null,

  /** Tries a phrase on all locked tags. */
  async unlock(phrase: string): Promise<Attempt> {
    const keys = await keyring();
    return add(await keys.unlock(session.user.id, await tagIds(), phrase).finally(stopWorkerIfIdle));
  },
  async recover(recoveryKey: string, phrase: string): Promise<Attempt> {
    const keys = await keyring();
    return add(await keys.recover(session.user.id, await tagIds(), recoveryKey, phrase).finally(stopWorkerIfIdle));
  },
  /** Creates the tag that the keyring has prepared, and unlocks it. */
  async create(name: string): Promise<void> {
    add({ unlocked: await (await keyring()).create(session.user.id, name) });
  },

  update(id: string, change: Partial<Pick<UnlockedTag, 'name' | 'color' | 'version' | 'failedTries'>>): void {
    const tag = unlockedTags.get(id);
    if (tag) Object.assign(tag, change);
  },
  /** Extends the unlock, and notes that this page shows entries of the tag. */
  markUsed(id: string): void {
    const tag = unlockedTags.get(id);
    if (!tag) return;
    const end = new Date(serverNow() + IDLE).toISOString();
    if (end > tag.expiresAt) tag.expiresAt = end;
    const shown = exposed.get(location.href) ?? new Set();
    exposed.set(location.href, shown.add(id));
  },

  /** Locks a tag in all sessions of the user. */
  async lock(id: string): Promise<void> {
    lockHere([id]);
    const request = api.POST('/api/secret-tags/{secret_tag_id}/lock', { params: { path: { secret_tag_id: id } } });
    await request.catch(() => {});
  },
  /** Locks all tags in all sessions, and leaves the page. */
  async lockAll(): Promise<void> {
    const any = all.length > 0;
    lockHere(
      all.map(({ id }) => id),
      true,
    );
    if (!any) return;
    channel?.postMessage('close');
    await api.POST('/api/secret-tags/lock', { keepalive: true }).catch(() => {});
  },
  /** Locks all tags in this tab, because the login has ended or the user signs out. */
  lockInThisTab(): void {
    if (all.length > 0) lockHere(all.map(({ id }) => id));
  },
  /**
   * Discards what this device holds under a tag that was deleted on the server. {@link removeDeleted} has to follow.
   */
  discardDeleted: (id: string): Promise<void> => steps.deleted(id),
  /** Removes a deleted tag, and leaves the page. */
  removeDeleted(id: string): void {
    lockHere([id], true);
  },
  /** Asks the server whether the tags are still unlocked, and locks those that are not. */
  check,
};

/**
 * Runs requests that need an unlocked tag. If the server refuses, and the tag turns out to be locked, this throws
 * Locked.
 */
export async function whileUnlocked<T>(
  id: string,
  run: (header: { 'x-sotto-unlock': string }) => Promise<T>,
): Promise<T> {
  requireUnlocked(id);
  try {
    const result = await run({ 'x-sotto-unlock': tokens.get(id)! });
    unlockedTags.markUsed(id);
    return result;
  } catch (error) {
    if (error instanceof SottoError && (error.status === 403 || error.status === 404)) {
      await check().catch(() => {});
      requireUnlocked(id);
    }
    throw error;
  }
}

/** @throws Locked if the tag is locked. */
export function requireUnlocked(id: string): void {
  if (!tokens.has(id)) throw new Locked();
}

/** Stops the worker if no tag is unlocked, with everything that it holds. */
export function stopWorkerIfIdle(): void {
  setTimeout(() => {
    if (all.length === 0) stopKeyring();
  });
}

/** Starts to send unlock tokens with requests, and to lock tags that expire, or when the page ends. */
export function startUnlockedTags(provided: TagSteps): void {
  steps = provided;
  channel?.addEventListener('message', () => lockHere(all.map(({ id }) => id)));

  api.use({
    onRequest({ request, schemaPath }) {
      if (tokens.size > 0 && schemaPath.startsWith('/api/journals/'))
        request.headers.set('X-Sotto-Unlock', [...tokens.values()].join(', '));
    },
  });

  // Also if the browser keeps the page for the back button: a page that comes back is locked.
  addEventListener('pagehide', () => {
    for (const { session } of all) void fetch(`/api/opaque-sessions/${session}`, { method: 'DELETE', keepalive: true });
    if (all.length > 0)
      lockHere(
        all.map(({ id }) => id),
        true,
      );
  });

  $effect.root(() => {
    $effect(() => {
      if (all.length === 0) return;
      const timer = setInterval(() => {
        const expired = all.filter(({ expiresAt }) => Date.parse(expiresAt) <= serverNow()).map(({ id }) => id);
        if (expired.length > 0) expire(expired);
        // An unreachable server does not lock anything.
        else if (document.visibilityState === 'visible') check().catch(() => {});
      }, CHECK_EVERY);
      const checkIfVisible = () => document.visibilityState === 'visible' && check().catch(() => {});
      document.addEventListener('visibilitychange', checkIfVisible);
      return () => {
        clearInterval(timer);
        document.removeEventListener('visibilitychange', checkIfVisible);
      };
    });
  });
}

function add(attempt: Attempt): Attempt {
  if (!attempt.unlocked) return attempt;
  const { token, ...tag } = attempt.unlocked;
  tokens.set(tag.id, token);
  const draftKey = keyring().then((keys) => keys.draftKey(tag.id));
  draftKey.catch(() => {});
  draftKeys.set(tag.id, draftKey);
  all.push(tag);
  selected = tag.id;
  // The login can end while the last response is on its way.
  if (session.state !== 'in') lockHere([tag.id]);
  return attempt;
}

/** Forgets keys and tokens at once. Then the page is left if it shows entries of these tags, or if `leave` is set. */
function lockHere(ids: string[], leave = false): void {
  // Drafts are saved with keys that drafts.ts already holds.
  for (const id of ids) void steps.locked(id).catch(() => {});
  forgetLists();
  const shown = ids.some((id) => exposed.get(location.href)?.has(id));
  for (const id of ids) {
    tokens.delete(id);
    draftKeys.delete(id);
    for (const tags of exposed.values()) tags.delete(id);
  }
  all = all.filter(({ id }) => !ids.includes(id));
  if (all.length === 0) stopKeyring();
  else void keyring().then((keys) => Promise.all(ids.map((id) => keys.lock(id))));
  if (leave || shown) void leavePage();
}

/** Removes the page from the document before this returns, and replaces it in the history by the journal. */
async function leavePage(): Promise<void> {
  leaving = true;
  notices.clearPrivate();
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
  lockHere(ids);
  notices.show(t('secret:expired'));
}

/** The ids of all secret tags in the order in which a phrase is tried: the tag that was unlocked last comes first. */
async function tagIds(): Promise<string[]> {
  const tags = await unwrap(api.GET('/api/secret-tags/'));
  others = Math.max(0, tags.length - 1);
  return tags.map(({ id }) => id);
}
