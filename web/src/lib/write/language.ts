/** Markdown, as far as it can be followed at the speed of typing. */

import { markdownKeymap, markdownLanguage, pasteURLAsLink } from '@codemirror/lang-markdown';
import { Compartment, EditorState, Prec, type Extension, type Text } from '@codemirror/state';
import { keymap } from '@codemirror/view';

/**
 * Characters of a passage without an empty line. The parser begins anew with each passage, but reads it as a whole for each
 * key; a longer one (somebody pasted a book) is shown as it is, without a look of its own.
 */
const LONGEST_PASSAGE = 50_000;

// Without `markdown()`, which would bring the languages of HTML, CSS and JavaScript along: 70 kB for a journal.
const on: Extension = [markdownLanguage, Prec.high(keymap.of(markdownKeymap)), pasteURLAsLink];
const off: Extension = [];
const language = new Compartment();

export function markdownOf(text: string): Extension {
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
