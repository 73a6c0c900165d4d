/** Short messages at the edge of the screen, which screen readers announce and which disappear after some seconds. */

export type Notice = {
  id: number;
  text: string;
  kind: 'done' | 'error';
  action?: { label: string; run: () => void };
  aboutApp: boolean;
};
/** `stays`: until it is dismissed. `aboutApp`: about the app itself, and so without anything private. */
type Options = { kind?: Notice['kind']; action?: Notice['action']; stays?: boolean; aboutApp?: boolean };

let next = 0;
const all = $state<Notice[]>([]);
let places = $state.raw<readonly symbol[]>([]);

export const notices = {
  get all(): readonly Notice[] {
    return all;
  },
  /**
   * Shows a notice. Errors, and notices with `stays`, stay until they are dismissed. Returns a function that dismisses
   * it.
   */
  show(text: string, options: Options = {}): () => void {
    const notice: Notice = {
      id: next++,
      text,
      kind: options.kind ?? 'done',
      action: options.action,
      aboutApp: options.aboutApp ?? false,
    };
    all.push(notice);
    if (notice.kind === 'done' && !options.stays)
      setTimeout(() => notices.dismiss(notice.id), notice.action ? 10_000 : 4_000);
    return () => notices.dismiss(notice.id);
  },
  /**
   * The component that shows the notices: the last one that was added, because nothing outside of a modal dialog can
   * be clicked.
   */
  get place(): symbol | undefined {
    return places.at(-1);
  },
  /** Adds a component that can show notices. Returns a function that removes it. */
  showIn(place: symbol): () => void {
    places = [...places, place];
    return () => (places = places.filter((one) => one !== place));
  },
  /** Dismisses all notices that could reveal something of the journal. */
  clearPrivate(): void {
    for (const { id, aboutApp } of [...all]) if (!aboutApp) notices.dismiss(id);
  },
  dismiss(id: number): void {
    const index = all.findIndex((notice) => notice.id === id);
    if (index >= 0) all.splice(index, 1);
  },
};
