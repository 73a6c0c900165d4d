/**
 * Unique file names that are valid on every file system, as in the server's archive
 * (crates/server/src/handlers/export/names.rs). The tests of both use form.json in that folder.
 */

/**
 * The longest title in a name, in UTF-8 bytes, so that a whole name stays below the 143 bytes of the strictest file
 * systems.
 */
const MAX_TITLE_BYTES = 90;
const utf8 = new TextEncoder();

export class FileNames {
  /**
   * How often each name was returned. Names are compared without case and Unicode form, which some file systems ignore.
   */
  #counts = new Map<string, number>();

  /**
   * Returns a name without extension: `entries/2026/2026-11-25-a-fine-day`. A second name for the same day and title
   * ends in `-2`.
   */
  unique(day: string, title: string | null): string {
    const slug = slugOf(title ?? '');
    const stem = slug ? `${day}-${slug}` : day;
    let name = stem;
    for (;;) {
      const count = (this.#counts.get(comparisonKey(name)) ?? 0) + 1;
      this.#counts.set(comparisonKey(name), count);
      if (count === 1) return `entries/${day.slice(0, 4)}/${name}`;
      name = `${stem}-${count}`;
    }
  }
}

/** Keeps letters, digits and their marks, in lower case, and replaces each run of other characters by a hyphen. */
function slugOf(title: string): string {
  let slug = '';
  let bytes = 0;
  const letters = mapLetters(title.normalize('NFKC'), (letter) => letter.toLowerCase()).normalize('NFC');
  for (const letter of letters) {
    const insideWord = slug !== '' && !slug.endsWith('-');
    // A mark belongs to the letter before it.
    const kept = /[\p{Alphabetic}\p{N}]/u.test(letter) || (insideWord && /\p{M}/u.test(letter));
    const next = kept ? letter : '-';
    const length = utf8.encode(next).length;
    if (bytes + length > MAX_TITLE_BYTES) break;
    // No hyphen at the start, and none after a hyphen.
    if (!kept && !insideWord) continue;
    slug += next;
    bytes += length;
  }
  return slug.replace(/-+$/, '');
}

/** The same for names that differ only in case or Unicode form. */
function comparisonKey(name: string): string {
  const upper = mapLetters(name.normalize('NFKD'), (letter) => letter.toUpperCase());
  return mapLetters(upper, (letter) => letter.toLowerCase()).normalize('NFKD');
}

/** Changes each letter on its own: in lower case, the whole word `ΟΔΟΣ` would get a final sigma. */
const mapLetters = (text: string, change: (letter: string) => string) => Array.from(text, change).join('');
