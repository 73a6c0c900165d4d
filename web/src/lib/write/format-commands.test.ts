import { EditorSelection, EditorState, type StateCommand } from '@codemirror/state';
import { describe, expect, test } from 'vitest';

import { bold, heading, italic, link, list, quote, task } from './format-commands';
import { difference } from './codemirror';

/** In texts, `|` is the cursor, and `‹` and `›` are the ends of a selection. */
function run(command: StateCommand, text: string): string {
  const ends = [...text.matchAll(/[‹›|]/g)].map(({ index }, before) => index - before);
  const [anchor = 0, head = anchor] = ends;
  let state = EditorState.create({ doc: text.replace(/[‹›|]/g, ''), selection: EditorSelection.single(anchor, head) });
  command({ state, dispatch: (transaction) => void (state = transaction.state) });
  const { from, to } = state.selection.main;
  const doc = state.doc.toString();
  return from === to
    ? `${doc.slice(0, from)}|${doc.slice(from)}`
    : `${doc.slice(0, from)}‹${doc.slice(from, to)}›${doc.slice(to)}`;
}

describe('the toolbar', () => {
  test.each<[string, StateCommand, string, string]>([
    ['bold', bold, 'a ‹b› c', 'a **‹b›** c'],
    ['bold again', bold, 'a **‹b›** c', 'a ‹b› c'],
    ['bold, with white space', bold, 'a‹ b ›c', 'a **‹b›** c'],
    ['bold, nothing selected', bold, 'a |', 'a **|**'],
    ['italic', italic, '‹שלום›', '*‹שלום›*'],
    ['italic of bold', italic, '**‹b›**', '***‹b›***'],
    ['italic of both', italic, '***‹b›***', '**‹b›**'],
    ['heading', heading, 'Day|', '# Day|'],
    ['smaller heading', heading, '# Day|', '## Day|'],
    ['no heading', heading, '### Day|', 'Day|'],
    ['list', list, '‹a\nb›', '- ‹a\n- b›'],
    ['no list', list, '- ‹a\n- b›', '‹a\nb›'],
    ['list from tasks', list, '- [ ] a|', '- a|'],
    ['task', task, 'a|', '- [ ] a|'],
    ['task from a list', task, '  - a|', '  - [ ] a|'],
    ['no task', task, '- [x] a|', 'a|'],
    ['quote', quote, '|', '> |'],
    ['no quote', quote, '> a|', 'a|'],
    ['link', link, 'see ‹here›', 'see [here](|)'],
    ['link, nothing selected', link, '|', '[|]()'],
  ])('%s', (_, command, before, after) => expect(run(command, before)).toBe(after));
});

test.each([
  ['abc', 'abc', null],
  ['abc', 'aXc', { from: 1, to: 2, insert: 'X' }],
  ['aa', 'aaa', { from: 2, to: 2, insert: 'a' }],
  ['', 'new', { from: 0, to: 0, insert: 'new' }],
  ['gone', '', { from: 0, to: 4, insert: '' }],
])('from %j to %j', (old, next, change) => expect(difference(old, next)).toEqual(change));
