/** Converts Markdown to plain text, for previews in lists. */

/** Matches the marks of a list item, as opposed to those of headings and quotes. */
const ITEM = /[-+*\d]/;

/** Returns a Markdown text without its marks, in one line of at most so many characters. */
export function plainText(markdown: string, atMost = Infinity): string {
  // A short preview does not need all of a long text.
  const text = atMost === Infinity ? markdown : markdown.slice(0, atMost * 3 + 200);
  const plain = text
    .replace(/^(```|~~~).*$/gm, '')
    .replace(/!?\[([^\]\n]*)\]\([^()\s]*(?:\s+"[^"\n]*")?\)/g, '$1')
    .replace(/^\s{0,3}(?:#{1,6}\s+|>\s?|(?:[-*+]|\d{1,9}[.)])\s+(?:\[[ xX]\]\s+)?)+/gm, (signs, at: number) =>
      at > 0 && ITEM.test(signs) ? '· ' : '',
    )
    .replace(/^\s*(?:[-*_]\s*){3,}$|^\s*\|?(?:\s*:?-+:?\s*\|)+\s*:?-*:?\s*$/gm, '')
    .replace(/(\*\*|__|~~)(?=\S)([^\n]*?\S)\1/g, '$2')
    .replace(/(?<![\p{L}\p{N}\\])([*_])(?=\S)([^\n]*?\S)\1(?![\p{L}\p{N}])/gu, '$2')
    .replace(/`+([^`\n]+)`+/g, '$1')
    .replace(/\\([!-/:-@[-`{-~])/g, '$1')
    .replace(/\s+/g, ' ')
    .replaceAll(': · ', ': ')
    .trim();
  return plain.length > atMost ? `${plain.slice(0, atMost).replace(/\s+\S*$/, '')} …` : plain;
}
