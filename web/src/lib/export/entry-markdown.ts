/**
 * Writes an entry as a Markdown file: YAML front matter, an empty line, and the text. The server writes the same format
 * (crates/server/src/handlers/export/markdown.rs); the tests of both use form.json.
 */

import type { Entry } from '../entries/entry';

/**
 * `secretTag` is the name of the entry's tag, `recording` the name of the file beside it. Every value is quoted, on
 * one line.
 */
export function entryMarkdown(entry: Entry, beside: { secretTag?: string; recording?: string } = {}): string {
  const lines = [
    '---',
    `id: ${quoted(entry.id)}`,
    ...(entry.title === null ? [] : [`title: ${quoted(entry.title)}`]),
    `date: ${quoted(entry.date)}`,
    `zone: ${quoted(entry.zone)}`,
    `tags: [${entry.tags.map(({ name }) => quoted(name)).join(', ')}]`,
    ...(beside.secretTag === undefined ? [] : [`secret_tag: ${quoted(beside.secretTag)}`]),
    ...(beside.recording === undefined ? [] : [`recording: ${quoted(beside.recording)}`]),
    `created: ${quoted(entry.createdAt)}`,
    `updated: ${quoted(entry.updatedAt)}`,
    '---',
  ];
  return `${lines.join('\n')}\n\n${entry.content}`;
}

/** A double-quoted scalar that YAML 1.1, YAML 1.2 (section 7.3.1) and JSON read alike. */
function quoted(text: string): string {
  // Besides quotes and backslashes: characters that YAML counts as unprintable, as line breaks or as a byte order mark.
  const escaped = text
    .replace(/["\\]/g, '\\$&')
    // eslint-disable-next-line no-control-regex -- control characters are what it escapes
    .replace(/[\0-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g, (letter) => {
      return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`;
    });
  return `"${escaped}"`;
}
