/** The drafts and their sender, as the app uses them: one of each per tab. */

import { untrack } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';

import { beforeSignOut, lastUser, session, whenGone } from '../session.svelte';
import { Drafts, type Kept } from './drafts';
import { accountKey, forgetKeys } from './keys';
import { Sender, type Delivery } from './sender';
import { forgetAccount } from './shelf';
import { Takes } from './takes';
import { where } from './where.svelte';

const CHANNEL = 'sotto.drafts';
/** How long a sign-out waits for what was just written to be sent, in ms. It is kept in any case. */
const FAREWELL = 3_000;

let arrivals = $state(0);
const deliveries = new SvelteMap<string, Delivery>();
const writers = new Set<() => Promise<void>>();
const forgetting = new Set<(id: string) => Promise<void>>();
const followers = new Map<string, () => void>();
const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel(CHANNEL) : null;

const environment = {
  user: () => session.user.id,
  accountKey: () => accountKey(session.user.id),
  secretKey: (tag: string) => where.draftKey(tag),
  openSecretTags: () => where.open.map(({ id }) => id),
  now: () => Date.now(),
  announce: (id: string) => channel?.postMessage(id),
};

export const drafts = new Drafts(environment);
export const takes = new Takes(environment);

const sender = new Sender({
  drafts,
  entries: (tag) => where.entries(tag),
  allowed: () => session.state === 'in' && signedInHere() === session.user.id,
  exclusive: lock,
  report: (id, delivery) => void deliveries.set(id, delivery),
  now: () => Date.now(),
  later(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
});

export const outbox = {
  /** How far the entry's draft is; undefined if this tab did not try to send it. */
  delivery: (id: string): Delivery | undefined => deliveries.get(id),
  /** The person decided or goes on writing: what was said of the last attempt is out of date. */
  clear: (id: string) => void deliveries.delete(id),
  /** How often something was sent because its secret tag was opened: lists of before do not have it. */
  get arrivals() {
    return arrivals;
  },
  /** Another tab has sent it. */
  sentElsewhere: (id: string) => void deliveries.set(id, { phase: 'sent', at: Date.now() }),
  soon: (id: string, ms: number) => sender.soon(id, ms),
  send: (id: string) => sender.send(id),
  async discard(id: string): Promise<boolean> {
    const gone = await sender.discard(id);
    if (gone) await outbox.forget(id);
    return gone;
  },

  /** Takes an entry back that nobody wanted to begin, from the server as well. @throws SottoError */
  async withdraw(id: string, secretTagId: string | null): Promise<void> {
    if (!(await sender.discard(id))) {
      await (await where.entries(secretTagId))?.remove(id);
      await drafts.remove(id);
    }
    deliveries.delete(id);
  },

  /** The entry is no more: what was recorded for it, and is not kept, goes with it. */
  async forget(id: string): Promise<void> {
    await Promise.all([...forgetting].map((step) => step(id)));
    await takes.remove(id);
  },

  /** The secret tag is no more, and still open here: nothing could open what is left of it on this device. */
  async forgetUnder(secretTagId: string): Promise<void> {
    const under = (one: { secretTagId: string | null }) => one.secretTagId === secretTagId;
    const [written, recorded, asides] = await Promise.all([drafts.list(), takes.list(), drafts.asides()]);
    for (const { id } of written.filter(under)) await drafts.remove(id);
    for (const { id } of [...written, ...recorded].filter(under)) await outbox.forget(id);
    for (const { key } of asides.filter(under)) await drafts.removeAside(key);
  },

  /** Adds a step of {@link forget}. */
  whenForgotten: (step: (id: string) => Promise<void>) => void forgetting.add(step),

  /** Adds a step that keeps what is not kept yet, before the page is hidden or left; the answer takes it away. */
  writing(keep: () => Promise<void>): () => void {
    writers.add(keep);
    return () => void writers.delete(keep);
  },

  /** Is told when another tab changed this draft. */
  follow(id: string, listener: () => void): () => void {
    followers.set(id, listener);
    return () => void followers.delete(id);
  },
};

let started = false;

/** From here on drafts go out by themselves, whatever page is shown. */
export function startOutbox(): void {
  if (started) return;
  started = true;
  channel?.addEventListener('message', ({ data }: MessageEvent<string | { gone: string }>) => {
    if (typeof data === 'string') followers.get(data)?.();
    else void forgetAccount(data.gone).catch(() => {});
  });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') void keepAll();
    else void sendAll();
  });
  addEventListener('pagehide', () => void keepAll());
  addEventListener('storage', onOtherAccount);
  where.beforeClose(async (tag) => {
    await keepAll();
    drafts.forgetSecret(tag);
  });
  beforeSignOut(async () => {
    await keepAll();
    await Promise.race([sendAll(), new Promise((done) => setTimeout(done, FAREWELL))]);
    await forgetKeys();
  });
  whenGone(async () => {
    // Other tabs have to stop as well, or would store what is written there.
    channel?.postMessage({ gone: session.user.id });
    await forgetAccount(session.user.id).catch(() => {});
  });
  $effect.root(() => {
    $effect(() => {
      if (session.state === 'in' && session.online) void sendAll();
    });
    let before: string[] = [];
    $effect(() => {
      const now = where.open.map(({ id }) => id);
      const opened = now.filter((id) => !before.includes(id));
      before = now;
      if (opened.length > 0) void untrack(() => sendUnder(opened));
    });
  });
}

async function keepAll(): Promise<void> {
  await Promise.all([...writers].map((keep) => keep()));
}

async function sendAll(): Promise<void> {
  if (session.state !== 'in' || !session.online) return;
  // Asked for while there is a network, so that a draft can be kept when there is none.
  await accountKey(session.user.id);
  await sender.sendAll();
}

/** What was closed before it could be sent goes out when it is opened again. */
async function sendUnder(opened: string[]): Promise<void> {
  if (session.state !== 'in' || !session.online) return;
  const under = ({ secretTagId }: Kept) => secretTagId !== null && opened.includes(secretTagId);
  if (!(await drafts.list()).some(under)) return;
  await sender.sendAll(under);
  arrivals++;
}

/** Cookies are shared by all tabs: what is written here must not go into the journal of who signed in over there. */
function onOtherAccount({ key, newValue }: StorageEvent): void {
  if (key !== 'sotto.user' || newValue === null || session.state === 'out') return;
  if (signedInHere() !== session.user.id) void keepAll().finally(() => location.assign('/'));
}

/** As far as any tab of this browser knows. */
const signedInHere = () => lastUser()?.id;

const queues = new Map<string, Promise<unknown>>();

/** Web Locks are for safe origins alone; without them, one tab at least does not get into its own way. */
function lock<T>(id: string, run: () => Promise<T>): Promise<T> {
  if (navigator.locks) return navigator.locks.request(`sotto.send.${id}`, run) as Promise<T>;
  const next = (queues.get(id) ?? Promise.resolve()).then(run, run);
  queues.set(id, next);
  return next;
}
