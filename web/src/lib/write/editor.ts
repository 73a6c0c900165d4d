/**
 * The page that one writes on: CodeMirror 6, set as a page of a book.
 *
 * It lives in a shadow root. CodeMirror writes its styles while it runs; in a document it makes a <style> element for
 * them, which the server's policy refuses, but a shadow root gets them as a constructed style sheet, which is no inline
 * style. Colours and sizes come through, since custom properties are inherited. CodeMirror asks the root for the
 * selection, and the names that assistive technology needs are all inside: tests hold Chromium to selection, input methods
 * and its accessibility tree. Other browsers and real screen readers were not tried.
 */

import { defaultKeymap, history, historyKeymap, redo, undo } from '@codemirror/commands';
import { Compartment, EditorState, Transaction } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';

import { bold, italic, link } from './commands';
import { markdownOf } from './language';
import { look } from './look';
import { passages } from './passages';

export type Words = { label: string; placeholder: string };

export type Editor = {
  readonly view: EditorView;
  text: () => string;
  isEmpty: () => boolean;
  /** Takes a text over that came from elsewhere. Cursor and undo stay; it is no change of the person's. */
  adopt: (text: string) => void;
  /** Puts a text in as the person's own change, to be undone like one. */
  write: (text: string) => void;
  say: (words: Words) => void;
  destroy: () => void;
};

type Options = { host: HTMLElement; text: string; words: Words; onchange: () => void };

/** Room that is kept between the cursor and the edges of the window, for the bars there; in CSS pixels. */
const MARGINS = { top: 72, bottom: 96 };

export function createEditor({ host, text, words, onchange }: Options): Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  const spoken = new Compartment();
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        history(),
        keymap.of([
          { key: 'Mod-b', run: bold },
          { key: 'Mod-i', run: italic },
          { key: 'Mod-k', run: link },
          ...historyKeymap,
          ...defaultKeymap,
        ]),
        markdownOf(text),
        passages,
        look,
        EditorView.lineWrapping,
        EditorView.perLineTextDirection.of(true),
        EditorView.scrollMargins.of(() => MARGINS),
        spoken.of(inWords(words)),
        EditorView.updateListener.of(({ docChanged, transactions }) => {
          if (docChanged && !transactions.every((one) => one.annotation(Transaction.remote))) onchange();
        }),
      ],
    }),
  });
  return {
    view,
    text: () => view.state.doc.toString(),
    isEmpty: () => view.state.doc.length === 0,
    adopt(text) {
      const changes = difference(view.state.doc.toString(), text);
      if (changes) view.dispatch({ changes, annotations: [Transaction.remote.of(true), Transaction.addToHistory.of(false)] });
    },
    write(text) {
      const end = view.state.doc.length;
      view.dispatch({ changes: { from: 0, to: end, insert: text }, selection: { anchor: view.state.toText(text).length } });
      view.focus();
    },
    say: (words) => view.dispatch({ effects: spoken.reconfigure(inWords(words)) }),
    destroy: () => view.destroy(),
  };
}

export { redo, undo };

function inWords({ label, placeholder: hint }: Words) {
  return [
    placeholder(hint),
    EditorView.contentAttributes.of({
      'aria-label': label,
      spellcheck: 'true',
      autocapitalize: 'sentences',
      autocorrect: 'on',
    }),
  ];
}

/** The one passage that differs, so that a cursor elsewhere stays where it is. */
export function difference(old: string, next: string): { from: number; to: number; insert: string } | null {
  if (old === next) return null;
  const shorter = Math.min(old.length, next.length);
  let from = 0;
  while (from < shorter && old[from] === next[from]) from++;
  let end = 0;
  while (end < shorter - from && old.at(-1 - end) === next.at(-1 - end)) end++;
  return { from, to: old.length - end, insert: next.slice(from, next.length - end) };
}
