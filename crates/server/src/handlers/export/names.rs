//! Names of files that any file system takes, none of them twice.

use std::collections::HashMap;

use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Bytes of a title in a name, at most: the whole stays below the 143 bytes of the strictest file systems in use.
const TITLE: usize = 90;

/// The names that were given, folded as file systems fold that mind neither case nor Unicode form, and how often.
#[derive(Default)]
pub struct Names(HashMap<String, u32>);

impl Names {
    /// `entries/2026/2026-11-25-a-fine-day`, to which each file adds its ending; the next one of the same day and title ends
    /// in `-2`.
    pub fn of(&mut self, day: Date, title: Option<&str>) -> String {
        let mut stem = day.to_string();
        let words = title.map(words).unwrap_or_default();
        if !words.is_empty() {
            stem = format!("{stem}-{words}");
        }
        let mut name = stem.clone();
        loop {
            let count = self.0.entry(folded(&name)).or_insert(0);
            *count += 1;
            if *count == 1 {
                return format!("entries/{:04}/{name}", day.year());
            }
            name = format!("{stem}-{count}");
        }
    }
}

/// Letters, digits and the marks on them, in lower case; whatever is between them is one hyphen. So there is no path, no device
/// and no hidden file in it, nothing that a shell knows, and nothing that cannot be seen.
fn words(title: &str) -> String {
    let mut words = String::new();
    for letter in title.nfkc().flat_map(char::to_lowercase).nfc() {
        let kept =
            letter.is_alphanumeric() || (is_combining_mark(letter) && !words.is_empty() && !words.ends_with('-'));
        let next = if kept { letter } else { '-' };
        if words.len() + next.len_utf8() > TITLE {
            break;
        }
        if kept || !(words.is_empty() || words.ends_with('-')) {
            words.push(next);
        }
    }
    words.truncate(words.trim_end_matches('-').len());
    words
}

fn folded(name: &str) -> String {
    name.nfkd().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkd().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Date = Date::constant(2026, 11, 25);

    #[test]
    fn a_title_cannot_leave_its_place() {
        for (title, name) in [
            ("A fine day!", "2026-11-25-a-fine-day"),
            ("../../etc/passwd", "2026-11-25-etc-passwd"),
            ("C:\\Windows\\con", "2026-11-25-c-windows-con"),
            ("\u{202e}gpj.\u{200b}exe", "2026-11-25-gpj-exe"),
            ("Ünïcödé 早く寝る 🌸", "2026-11-25-ünïcödé-早く寝る"),
            ("हिन्दी में", "2026-11-25-हिन्दी-में"),
            ("\u{301}\u{301}x", "2026-11-25-x"),
            ("... * ? \" < > | . ", "2026-11-25"),
            ("-rf --", "2026-11-25-rf"),
        ] {
            assert_eq!(Names::default().of(DAY, Some(title)), format!("entries/2026/{name}"), "{title}");
        }
        assert_eq!(Names::default().of(Date::constant(1, 1, 1), None), "entries/0001/0001-01-01");
    }

    #[test]
    fn names_are_short() {
        for title in ["x".repeat(500), "\u{10400}".repeat(125), "ﷺ".repeat(160), "a ".repeat(250)] {
            let mut names = Names::default();
            let first = names.of(DAY, Some(&title));
            for name in [first, names.of(DAY, Some(&title))] {
                let (_, file) = name.rsplit_once('/').unwrap();
                assert!(file.len() <= 115 && file.starts_with("2026-11-25-"), "{file}");
            }
        }
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut names = Names::default();
        let given: Vec<_> = ["Straße", "STRASSE", "strasse 2", "stra\u{301}sse", "Strásse", "ſtrasse", "Straße"]
            .iter()
            .map(|title| names.of(DAY, Some(title)))
            .collect();
        let given: Vec<_> = given.iter().map(|name| name.trim_start_matches("entries/2026/2026-11-25-")).collect();
        assert_eq!(given, ["straße", "strasse-2", "strasse-2-2", "strásse", "strásse-2", "strasse-3", "straße-4"]);
        let untitled: Vec<_> = (0..3).map(|_| names.of(DAY, None)).collect();
        assert_eq!(untitled[2], "entries/2026/2026-11-25-3");
    }
}
