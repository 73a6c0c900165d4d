/** Decorations of the editor: classes for quotes and code, the direction of each line, and tasks that can be ticked. */

import { syntaxTree } from '@codemirror/language';
import { RangeSetBuilder, type EditorState, type Extension } from '@codemirror/state';
import { Decoration, EditorView, ViewPlugin, type DecorationSet, type ViewUpdate } from '@codemirror/view';

const CLASSES: Record<string, string> = {
  Blockquote: 'quote',
  FencedCode: 'code',
  CodeBlock: 'code',
  Table: 'code',
};

const box = Decoration.mark({ class: 'task' });
const tickedBox = Decoration.mark({ class: 'task ticked' });

export const lineDecorations: Extension = [
  ViewPlugin.fromClass(
    class {
      decorations: DecorationSet;
      constructor(view: EditorView) {
        this.decorations = decorate(view);
      }
      update(update: ViewUpdate) {
        const parsed = syntaxTree(update.startState) !== syntaxTree(update.state);
        if (update.docChanged || update.viewportChanged || parsed) this.decorations = decorate(update.view);
      }
    },
    { decorations: (plugin) => plugin.decorations },
  ),
  EditorView.domEventHandlers({
    mousedown(event, view) {
      if (!(event.target instanceof HTMLElement) || !event.target.closest('.task')) return false;
      event.preventDefault();
      return tick(view, view.posAtDOM(event.target));
    },
  }),
];

function decorate(view: EditorView): DecorationSet {
  const { state } = view;
  const lines = new Map<number, Set<string>>();
  const boxes: { from: number; to: number; ticked: boolean }[] = [];
  for (const { from, to } of view.visibleRanges) {
    for (let at = from; at <= to;) {
      const line = state.doc.lineAt(at);
      lines.set(line.from, lines.get(line.from) ?? new Set());
      at = line.to + 1;
    }
    syntaxTree(state).iterate({
      from,
      to,
      enter(node) {
        const name = CLASSES[node.name];
        if (name) {
          for (let at = Math.max(node.from, from); at <= Math.min(node.to, to);) {
            const line = state.doc.lineAt(at);
            lines.get(line.from)?.add(name);
            at = line.to + 1;
          }
        } else if (node.name === 'TaskMarker') {
          boxes.push({ from: node.from, to: node.to, ticked: isTicked(state, node.from) });
        }
      },
    });
  }
  const builder = new RangeSetBuilder<Decoration>();
  boxes.sort((a, b) => a.from - b.from);
  for (const [from, names] of [...lines].sort(([a], [b]) => a - b)) {
    const { to } = state.doc.lineAt(from);
    const here = boxes.filter((one) => one.from >= from && one.to <= to);
    if (here.some(({ ticked }) => ticked)) names.add('done');
    builder.add(from, from, Decoration.line({ class: [...names].join(' '), attributes: { dir: 'auto' } }));
    for (const one of here) builder.add(one.from, one.to, one.ticked ? tickedBox : box);
  }
  return builder.finish();
}

function tick(view: EditorView, at: number): boolean {
  const from = at + 1;
  const insert = isTicked(view.state, at) ? ' ' : 'x';
  view.dispatch({ changes: { from, to: from + 1, insert }, userEvent: 'input.tick' });
  return true;
}

const isTicked = (state: EditorState, at: number) => /[xX]/.test(state.sliceDoc(at, at + 3));
