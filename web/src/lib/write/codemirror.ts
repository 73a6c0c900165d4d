/**
 * The text editor: CodeMirror 6 in a shadow root.
 *
 * CodeMirror creates its styles at run time. In a document it adds a <style> element, which the server's content
 * security policy blocks; in a shadow root it uses a constructed style sheet, which the policy allows. Colours and
 * sizes are custom properties, which a shadow root inherits. Tests check selection, input methods and the
 * accessibility tree in Chromium. Other browsers and real screen readers are untested.
 */

import { defaultKeymap, history, historyKeymap, redo, undo } from '@codemirror/commands';
import { Compartment, EditorState, Transaction } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';

import { bold, italic, link } from './format-commands';
import { markdownLanguageFor } from './markdown-language';
import { editorTheme } from './editor-theme';
import { lineDecorations } from './line-decorations';

type Labels = { label: string; placeholder: string };

export type Editor = {
  readonly view: EditorView;
  text: () => string;
  isEmpty: () => boolean;
  /** Replaces the text by one from elsewhere. Cursor and undo history stay, and `onchange` is not called. */
  adopt: (text: string) => void;
  /** Replaces the text as a change of the user, which can be undone. */
  write: (text: string) => void;
  setLabels: (labels: Labels) => void;
  destroy: () => void;
};

type Options = { host: HTMLElement; text: string; labels: Labels; onchange: () => void };

/** The distance between the cursor and the edges of the window, which leaves room for the bars there; in CSS pixels. */
const MARGINS = { top: 72, bottom: 96 };

export function createEditor({ host, text, labels, onchange }: Options): Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  const labelling = new Compartment();
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
        markdownLanguageFor(text),
        lineDecorations,
        editorTheme,
        EditorView.lineWrapping,
        EditorView.perLineTextDirection.of(true),
        EditorView.scrollMargins.of(() => MARGINS),
        labelling.of(labelExtensions(labels)),
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
      if (changes)
        view.dispatch({ changes, annotations: [Transaction.remote.of(true), Transaction.addToHistory.of(false)] });
    },
    write(text) {
      const end = view.state.doc.length;
      view.dispatch({
        changes: { from: 0, to: end, insert: text },
        selection: { anchor: view.state.toText(text).length },
      });
      view.focus();
    },
    setLabels: (labels) => view.dispatch({ effects: labelling.reconfigure(labelExtensions(labels)) }),
    destroy: () => view.destroy(),
  };
}

export { redo, undo };

function labelExtensions({ label, placeholder: hint }: Labels) {
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

/** The shortest single replacement between two texts, so that a cursor outside of it does not move. */
export function difference(old: string, next: string): { from: number; to: number; insert: string } | null {
  if (old === next) return null;
  const shorter = Math.min(old.length, next.length);
  let from = 0;
  while (from < shorter && old[from] === next[from]) from++;
  let end = 0;
  while (end < shorter - from && old.at(-1 - end) === next.at(-1 - end)) end++;
  return { from, to: old.length - end, insert: next.slice(from, next.length - end) };
}
