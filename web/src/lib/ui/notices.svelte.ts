/** Short messages at the edge of the screen: read out by screen readers, gone by themselves. */

export type Notice = { id: number; text: string; kind: 'done' | 'error'; action?: { label: string; run: () => void }; ofApp: boolean };
/** `ofApp`: it is about the app itself, and nothing that anybody has in it. */
type Options = { kind?: Notice['kind']; action?: Notice['action']; stays?: boolean; ofApp?: boolean };

let next = 0;
const all = $state<Notice[]>([]);
let places = $state.raw<readonly symbol[]>([]);

export const notices = {
  get all(): readonly Notice[] {
    return all;
  },
  /** Says that something was done. Errors, and what is to stay, stay until they are dismissed; the answer does that. */
  say(text: string, options: Options = {}): () => void {
    const notice: Notice = { id: next++, text, kind: options.kind ?? 'done', action: options.action, ofApp: options.ofApp ?? false };
    all.push(notice);
    if (notice.kind === 'done' && !options.stays) setTimeout(() => notices.dismiss(notice.id), notice.action ? 10_000 : 4_000);
    return () => notices.dismiss(notice.id);
  },
  /** Where they are shown: in the place that came last. Beside a modal dialog, nothing can be read or clicked. */
  get place(): symbol | undefined {
    return places.at(-1);
  },
  /** Adds a place; the answer takes it away again. */
  showIn(place: symbol): () => void {
    places = [...places, place];
    return () => (places = places.filter((one) => one !== place));
  },
  /** Takes away all that could tell something of the journal. */
  wipe(): void {
    for (const { id, ofApp } of [...all]) if (!ofApp) notices.dismiss(id);
  },
  dismiss(id: number): void {
    const index = all.findIndex((notice) => notice.id === id);
    if (index >= 0) all.splice(index, 1);
  },
};
