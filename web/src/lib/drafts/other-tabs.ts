/** Messages between the tabs of this browser: a draft has changed, or the account was deleted. */

const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('sotto.drafts') : null;
const followers = new Map<string, () => void>();

/** The id of a draft that has changed, or of the user whose account was deleted. */
type Message = string | { gone: string };

export const otherTabs = {
  announceDraft: (id: string) => channel?.postMessage(id satisfies Message),
  announceDeletedAccount: (user: string) => channel?.postMessage({ gone: user } satisfies Message),

  /** Calls `listener` when another tab has changed this draft. Returns a function that stops that. */
  followDraft(id: string, listener: () => void): () => void {
    followers.set(id, listener);
    return () => void followers.delete(id);
  },

  /** Starts to receive messages. */
  listen(onAccountDeleted: (user: string) => void): void {
    channel?.addEventListener('message', ({ data }: MessageEvent<Message>) => {
      if (typeof data === 'string') followers.get(data)?.();
      else onAccountDeleted(data.gone);
    });
  },
};
