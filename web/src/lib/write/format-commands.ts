/** The Markdown formats as commands of CodeMirror, for keys and the format bar. */

import { EditorSelection, type ChangeSpec, type EditorState, type Line, type StateCommand } from '@codemirror/state';

export const bold: StateCommand = surround('**');
export const italic: StateCommand = surround('*');

/** Turns the selected words into a link, and puts the cursor where the address belongs. */
export const link: StateCommand = ({ state, dispatch }) => {
  const change = state.changeByRange(({ from, to }) => {
    const words = state.sliceDoc(from, to);
    const insert = `[${words}]()`;
    const cursor = words === '' ? from + 1 : from + insert.length - 1;
    return { changes: { from, to, insert }, range: EditorSelection.cursor(cursor) };
  });
  dispatch(state.update(change, { userEvent: 'input.link', scrollIntoView: true }));
  return true;
};

/** Cycles a line through text and headings of level 1, 2 and 3. */
export const heading: StateCommand = ({ state, dispatch }) =>
  eachLine({ state, dispatch }, (line) => {
    const [marks = '', level = ''] = /^(#{1,6}) +/.exec(line.text) ?? [];
    return { old: marks, next: level.length >= 3 ? '' : `${'#'.repeat(level.length + 1)} ` };
  });

const LIST = /^([ \t]*)(?:[-*+]|\d+[.)]) (?:\[[ xX]\] )?/;
const TASK = /^([ \t]*)(?:[-*+]|\d+[.)]) \[[ xX]\] /;
const QUOTE = /^> ?/;

export const list: StateCommand = prefix(LIST, (indent) => `${indent}- `, TASK);
export const task: StateCommand = prefix(TASK, (indent) => `${indent}- [ ] `, undefined, LIST);
export const quote: StateCommand = prefix(QUOTE, () => '> ');

/**
 * Toggles a mark before each line: removes the mark if every line has one, else adds it. A line that matches `except`
 * counts as having none. A mark that matches `instead` is replaced.
 */
function prefix(has: RegExp, mark: (indent: string) => string, except?: RegExp, instead?: RegExp): StateCommand {
  const marked = (text: string) => has.test(text) && !except?.test(text);
  return ({ state, dispatch }) => {
    const lines = selectedLines(state);
    const remove = lines.every(({ text }) => marked(text));
    return eachLine({ state, dispatch }, ({ text }) => {
      const [old = '', indent = ''] = (instead ?? has).exec(text) ?? has.exec(text) ?? [];
      if (remove) return { old, next: indent };
      return marked(text) ? { old: '', next: '' } : { old, next: mark(old === '' ? '' : (indent ?? '')) };
    });
  };
}

type Target = Parameters<StateCommand>[0];

function eachLine({ state, dispatch }: Target, change: (line: Line) => { old: string; next: string }): boolean {
  const changes: ChangeSpec[] = selectedLines(state).flatMap((line) => {
    const { old, next } = change(line);
    return old === next ? [] : [{ from: line.from, to: line.from + old.length, insert: next }];
  });
  const set = state.changes(changes);
  // A cursor at the position of a new mark moves behind the mark.
  const selection = EditorSelection.create(
    state.selection.ranges.map(({ anchor, head }) => EditorSelection.range(set.mapPos(anchor, 1), set.mapPos(head, 1))),
    state.selection.mainIndex,
  );
  dispatch(state.update({ changes: set, selection, userEvent: 'input.format', scrollIntoView: true }));
  return true;
}

function selectedLines(state: EditorState): Line[] {
  const lines = new Map<number, Line>();
  for (const { from, to } of state.selection.ranges) {
    for (let at = state.doc.lineAt(from); ; at = state.doc.line(at.number + 1)) {
      lines.set(at.number, at);
      if (at.to >= to || at.number === state.doc.lines) break;
    }
  }
  return [...lines.values()];
}

/** Toggles marks around the selection. Without a selection, the cursor ends up between the marks. */
function surround(mark: string): StateCommand {
  const { length } = mark;
  return ({ state, dispatch }) => {
    const change = state.changeByRange((range) => {
      const { from, to } = range;
      if (isAround(state, from, to, mark)) {
        const changes = [
          { from: from - length, to: from },
          { from: to, to: to + length },
        ];
        return { changes, range: EditorSelection.range(range.anchor - length, range.head - length) };
      }
      // Markdown needs marks next to words, so white space at the edges of the selection stays outside.
      const words = state.sliceDoc(from, to);
      const start = from + (words.trim() ? words.length - words.trimStart().length : 0);
      const end = Math.max(start, to - (words.trim() ? words.length - words.trimEnd().length : 0));
      const changes = [
        { from: start, insert: mark },
        { from: end, insert: mark },
      ];
      return { changes, range: EditorSelection.range(start + length, end + length) };
    });
    dispatch(state.update(change, { userEvent: 'input.format', scrollIntoView: true }));
    return true;
  };
}

/** Tells the single star of *italic* from the two of **bold**. */
function isAround(state: EditorState, from: number, to: number, mark: string): boolean {
  const before = /\**$/.exec(state.sliceDoc(Math.max(0, from - 3), from))![0].length;
  const after = /^\**/.exec(state.sliceDoc(to, to + 3))![0].length;
  return [before, after].every((stars) => (mark === '**' ? stars >= 2 : stars === 1 || stars === 3));
}
