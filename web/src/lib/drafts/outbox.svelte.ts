/** The outbox of this tab: sends saved drafts to the server, and shows how far each delivery is. */

import { untrack } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';

import { exclusive } from '../exclusive';
import { lastUser, session } from '../session.svelte';
import { accountKey } from './account-key';
import { saveAllDrafts } from './autosave';
import type { SavedDraft } from './drafts';
import { secretTagRegistry } from './secret-tag-registry.svelte';
import { Sender, type Delivery } from './sender';
import { drafts } from './user-drafts';

let sentAfterUnlock = $state(0);
const deliveries = new SvelteMap<string, Delivery>();

const sender = new Sender({
  drafts,
  entries: (tag) => secretTagRegistry.entries(tag),
  allowed: () => maySend() && lastUser()?.id === session.user.id,
  exclusive: (id, run) => exclusive(`sotto.send.${id}`, run),
  report: (id, delivery) => void deliveries.set(id, delivery),
  now: () => Date.now(),
  later(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
});

export const outbox = {
  /** How far the draft of this entry is; undefined if this tab has not tried to send it. */
  delivery: (id: string): Delivery | undefined => deliveries.get(id),
  /** Forgets the outcome of the last attempt, because the user has made a decision or writes on. */
  clearDelivery: (id: string) => void deliveries.delete(id),
  markSentByOtherTab: (id: string) => void deliveries.set(id, { phase: 'sent', at: Date.now() }),
  /**
   * How often drafts were sent because their secret tag was unlocked: lists that were loaded before do not have them.
   */
  get sentAfterUnlock() {
    return sentAfterUnlock;
  },

  sendLater: (id: string, ms: number) => sender.sendLater(id, ms),
  send: (id: string) => sender.send(id),
  sendAll,
  /** Discards a draft that the server does not have. Returns false if the server has it. */
  discard: (id: string) => sender.discard(id),

  /** Discards an entry with its draft, on the server as well. @throws SottoError */
  async withdraw(id: string, secretTagId: string | null): Promise<void> {
    if (!(await sender.discard(id))) {
      await (await secretTagRegistry.entries(secretTagId))?.remove(id);
      await drafts.discard(id);
    }
    deliveries.delete(id);
  },
};

/** Starts to send drafts without being asked: when the app starts, the network returns, or a secret tag is unlocked. */
export function startOutbox(): void {
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') void saveAllDrafts();
    else void sendAll();
  });
  addEventListener('pagehide', () => void saveAllDrafts());
  $effect.root(() => {
    $effect(() => {
      if (session.state === 'in' && session.online) void sendAll();
    });
    let before: string[] = [];
    $effect(() => {
      const now = secretTagRegistry.unlocked.map(({ id }) => id);
      const added = now.filter((id) => !before.includes(id));
      before = now;
      if (added.length > 0) void untrack(() => sendUnder(added));
    });
  });
}

/** While the user signs out, what is not sent yet still goes out. */
function maySend(): boolean {
  return session.state === 'in' || session.state === 'leaving';
}

async function sendAll(): Promise<void> {
  if (!maySend() || !session.online) return;
  // Loads the key while there is a network, so that drafts can be saved without one.
  await accountKey(session.user.id);
  await sender.sendAll();
}

/** Sends the drafts under tags that were locked before their drafts could be sent. */
async function sendUnder(tags: string[]): Promise<void> {
  if (session.state !== 'in' || !session.online) return;
  const under = ({ secretTagId }: SavedDraft) => secretTagId !== null && tags.includes(secretTagId);
  if (!(await drafts.list()).some(under)) return;
  await sender.sendAll(under);
  sentAfterUnlock++;
}
