/** Short messages at the edge of the screen: read out by screen readers, gone by themselves. */

export type Notice = { id: number; text: string; kind: 'done' | 'error'; action?: { label: string; run: () => void } };
type Options = { kind?: Notice['kind']; action?: Notice['action']; stays?: boolean };

let next = 0;
const all = $state<Notice[]>([]);

export const notices = {
  get all(): readonly Notice[] {
    return all;
  },
  /** Says that something was done. Errors, and what is to stay, stay until they are dismissed. */
  say(text: string, options: Options = {}): void {
    const notice: Notice = { id: next++, text, kind: options.kind ?? 'done', action: options.action };
    all.push(notice);
    if (notice.kind === 'done' && !options.stays) setTimeout(() => notices.dismiss(notice.id), notice.action ? 10_000 : 4_000);
  },
  dismiss(id: number): void {
    const index = all.findIndex((notice) => notice.id === id);
    if (index >= 0) all.splice(index, 1);
  },
};
