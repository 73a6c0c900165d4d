/**
 * Names of files that any file system takes, none of them twice: as the server makes them for its archive
 * (crates/server/src/handlers/export/names.rs). Both are tested with the same form.json.
 */

/** Bytes of a title in a name, at most. */
const TITLE = 90;
const utf8 = new TextEncoder();

export class Names {
  /** The names that were given, folded as file systems fold that mind neither case nor Unicode form, and how often. */
  #given = new Map<string, number>();

  /** `entries/2026/2026-11-25-a-fine-day`, to which each file adds its ending; the next one of the same day and title ends in `-2`. */
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

/** Letters, digits and the marks on them, in lower case; whatever is between them is one hyphen. */
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

/** Letter by letter, whatever is beside it: as a word, `ΟΔΟΣ` would end in another letter. */
const each = (text: string, change: (letter: string) => string) => Array.from(text, change).join('');
