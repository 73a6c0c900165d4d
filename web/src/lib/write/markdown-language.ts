/** Markdown in the editor, switched off for texts that the parser cannot follow at the speed of typing. */

import { markdownKeymap, markdownLanguage, pasteURLAsLink } from '@codemirror/lang-markdown';
import { Compartment, EditorState, Prec, type Extension, type Text } from '@codemirror/state';
import { keymap } from '@codemirror/view';

/**
 * The longest passage without an empty line, in characters. The parser reads a passage as a whole for each key. A text
 * with a longer one, such as a pasted book, is shown without Markdown.
 */
const LONGEST_PASSAGE = 50_000;

// Not `markdown()`, which would add the languages HTML, CSS and JavaScript: 70 kB.
const on: Extension = [markdownLanguage, Prec.high(keymap.of(markdownKeymap)), pasteURLAsLink];
const off: Extension = [];
const language = new Compartment();

export function markdownLanguageFor(text: string): Extension {
  return [
    language.of(canFollow(EditorState.create({ doc: text }).doc) ? on : off),
    EditorState.transactionExtender.of(({ docChanged, newDoc, startState }) => {
      if (!docChanged) return null;
      const wanted = canFollow(newDoc) ? on : off;
      return language.get(startState) === wanted ? null : { effects: language.reconfigure(wanted) };
    }),
  ];
}

function canFollow(doc: Text): boolean {
  if (doc.length <= LONGEST_PASSAGE) return true;
  let passage = 0;
  for (const line of doc.iterLines()) {
    passage = line.trim() === '' ? 0 : passage + line.length + 1;
    if (passage > LONGEST_PASSAGE) return false;
  }
  return true;
}
