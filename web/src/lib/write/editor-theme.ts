/** The theme of the editor: close to the rendered text, with the Markdown marks in grey. */

import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import type { Extension } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { tags } from '@lezer/highlight';

const page = EditorView.theme({
  '&': { color: 'var(--ink)', fontSize: 'var(--text-l)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--serif)', lineHeight: 'var(--leading)', overflow: 'visible' },
  '.cm-content': { padding: 'var(--space-2) 0 var(--space-7)', minHeight: 'var(--room)', caretColor: 'var(--accent)' },
  '.cm-line': { padding: '0', textAlign: 'start' },
  '.cm-placeholder': { color: 'var(--ink-soft)', fontStyle: 'italic' },
  '.cm-line.quote': {
    paddingInlineStart: 'var(--space-4)',
    borderInlineStart: '2px solid var(--line-strong)',
    color: 'var(--ink-soft)',
  },
  '.cm-line.code': { fontFamily: 'var(--mono)', fontSize: '0.85em' },
  '.cm-line.done': { color: 'var(--ink-soft)' },
  '.task': {
    fontFamily: 'var(--mono)',
    fontSize: '0.9em',
    color: 'var(--accent)',
    cursor: 'pointer',
    // A target of at least 24 pixels.
    padding: '4px 2px',
  },
});

const marks = HighlightStyle.define([
  { tag: tags.heading1, fontSize: '1.6em', fontWeight: '500', lineHeight: '1.4' },
  { tag: tags.heading2, fontSize: '1.35em', fontWeight: '500', lineHeight: '1.4' },
  { tag: tags.heading3, fontSize: '1.15em', fontWeight: '600' },
  { tag: [tags.heading4, tags.heading5, tags.heading6], fontWeight: '600' },
  { tag: tags.strong, fontWeight: '700' },
  { tag: tags.emphasis, fontStyle: 'italic' },
  { tag: tags.strikethrough, textDecoration: 'line-through' },
  { tag: tags.monospace, fontFamily: 'var(--mono)', fontSize: '0.9em' },
  { tag: tags.link, color: 'var(--accent)' },
  {
    tag: [tags.processingInstruction, tags.contentSeparator, tags.url, tags.labelName],
    color: 'var(--ink-soft)',
    fontWeight: '400',
    fontStyle: 'normal',
  },
]);

export const editorTheme: Extension = [page, syntaxHighlighting(marks)];
