import { syntaxTree } from '@codemirror/language';
import { EditorState } from '@codemirror/state';
import { expect, test } from 'vitest';

import { markdownLanguageFor } from './markdown-language';

const line = 'a line of some length, with **bold** words\n';
const isFollowed = (state: EditorState) => syntaxTree(state).length > 0;

test('a long text of many paragraphs is parsed as Markdown, a single long paragraph is not', () => {
  const create = (doc: string) => EditorState.create({ doc, extensions: markdownLanguageFor(doc) });
  expect(isFollowed(create(`${line}\n`.repeat(5000)))).toBe(true);
  expect(isFollowed(create(line.repeat(5000)))).toBe(false);
});

test('parsing stops when a paragraph becomes too long, and resumes when it is shorter', () => {
  let state = EditorState.create({ doc: 'short', extensions: markdownLanguageFor('short') });
  expect(isFollowed(state)).toBe(true);
  state = state.update({ changes: { from: 5, insert: line.repeat(5000) } }).state;
  expect(isFollowed(state)).toBe(false);
  state = state.update({ changes: { from: 5, to: state.doc.length } }).state;
  expect(isFollowed(state)).toBe(true);
});
