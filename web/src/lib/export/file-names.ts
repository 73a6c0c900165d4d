/**
 * Unique file names that are valid on every file system, as in the server's archive
 * (crates/server/src/handlers/export/names.rs). The tests of both use form.json.
 */

/** The longest title in a name, in bytes. */
const TITLE = 90;
const utf8 = new TextEncoder();

export class FileNames {
  /** How often each name was given, by its folded form: some file systems ignore case and Unicode form. */
  #given = new Map<string, number>();

  /**
   * Returns a name without extension, `entries/2026/2026-11-25-a-fine-day`. The second one of the same day and title
   * ends in `-2`.
   */
  of(day: string, title: string | null): string {
    const titled = words(title ?? '');
    const stem = titled ? `${day}-${titled}` : day;
    let name = stem;
    for (;;) {
      const count = (this.#given.get(folded(name)) ?? 0) + 1;
      this.#given.set(folded(name), count);
      if (count === 1) return `entries/${day.slice(0, 4)}/${name}`;
      name = `${stem}-${count}`;
    }
  }
}

/** Keeps letters, digits and their marks, in lower case, and puts one hyphen between them for everything else. */
function words(title: string): string {
  let words = '';
  let bytes = 0;
  const letters = each(title.normalize('NFKC'), (letter) => letter.toLowerCase()).normalize('NFC');
  for (const letter of letters) {
    const begun = words !== '' && !words.endsWith('-');
    const kept = /[\p{Alphabetic}\p{N}]/u.test(letter) || (begun && /\p{M}/u.test(letter));
    const next = kept ? letter : '-';
    const length = utf8.encode(next).length;
    if (bytes + length > TITLE) break;
    if (!kept && !begun) continue;
    words += next;
    bytes += length;
  }
  return words.replace(/-+$/, '');
}

function folded(name: string): string {
  const upper = each(name.normalize('NFKD'), (letter) => letter.toUpperCase());
  return each(upper, (letter) => letter.toLowerCase()).normalize('NFKD');
}

/** Changes each letter regardless of its context: as a whole word, `ΟΔΟΣ` would get a final sigma. */
const each = (text: string, change: (letter: string) => string) => Array.from(text, change).join('');
