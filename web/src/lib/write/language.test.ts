import { syntaxTree } from '@codemirror/language';
import { EditorState } from '@codemirror/state';
import { expect, test } from 'vitest';

import { markdownOf } from './language';

const line = 'a line of some length, with **bold** words\n';
const isFollowed = (state: EditorState) => syntaxTree(state).length > 0;

test('a long text of many passages is followed, one of a single passage is not', () => {
  const create = (doc: string) => EditorState.create({ doc, extensions: markdownOf(doc) });
  expect(isFollowed(create(`${line}\n`.repeat(5000)))).toBe(true);
  expect(isFollowed(create(line.repeat(5000)))).toBe(false);
});

test('it begins and ends with the passage that is too long', () => {
  let state = EditorState.create({ doc: 'short', extensions: markdownOf('short') });
  expect(isFollowed(state)).toBe(true);
  state = state.update({ changes: { from: 5, insert: line.repeat(5000) } }).state;
  expect(isFollowed(state)).toBe(false);
  state = state.update({ changes: { from: 5, to: state.doc.length } }).state;
  expect(isFollowed(state)).toBe(true);
});
