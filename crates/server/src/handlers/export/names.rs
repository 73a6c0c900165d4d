//! Unique names that every file system accepts.

use std::collections::HashMap;

use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Bytes of a title in a name, so that the whole stays below the 143 bytes of the strictest file systems in use.
const MAX_TITLE_BYTES: usize = 90;

/// The names in use, with a count of each. They are folded like in file systems that ignore case and Unicode form.
#[derive(Default)]
pub struct FileNames(HashMap<String, u32>);

impl FileNames {
    /// For example `entries/2026/2026-11-25-a-fine-day`, to which each file adds its extension. The next one of the
    /// same day and title ends in `-2`.
    pub fn unique(&mut self, day: Date, title: Option<&str>) -> String {
        let mut stem = day.to_string();
        let words = title.map(slug).unwrap_or_default();
        if !words.is_empty() {
            stem = format!("{stem}-{words}");
        }
        let mut name = stem.clone();
        loop {
            let count = self.0.entry(fold(&name)).or_insert(0);
            *count += 1;
            if *count == 1 {
                return format!("entries/{:04}/{name}", day.year());
            }
            name = format!("{stem}-{count}");
        }
    }
}

/// Letters, digits and combining marks in lower case, with one hyphen for everything between them. So a title cannot
/// contain a path, a device name, a hidden file, shell characters or invisible characters.
fn slug(title: &str) -> String {
    let mut words = String::new();
    for letter in title.nfkc().flat_map(char::to_lowercase).nfc() {
        let kept =
            letter.is_alphanumeric() || (is_combining_mark(letter) && !words.is_empty() && !words.ends_with('-'));
        let next = if kept { letter } else { '-' };
        if words.len() + next.len_utf8() > MAX_TITLE_BYTES {
            break;
        }
        if kept || !(words.is_empty() || words.ends_with('-')) {
            words.push(next);
        }
    }
    words.truncate(words.trim_end_matches('-').len());
    words
}

fn fold(name: &str) -> String {
    name.nfkd().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkd().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const DAY: Date = Date::constant(2026, 11, 25);

    #[test]
    fn a_title_cannot_leave_its_folder() {
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
            assert_eq!(FileNames::default().unique(DAY, Some(title)), format!("entries/2026/{name}"), "{title}");
        }
        assert_eq!(FileNames::default().unique(Date::constant(1, 1, 1), None), "entries/0001/0001-01-01");
    }

    #[test]
    fn names_are_short() {
        for title in ["x".repeat(500), "\u{10400}".repeat(125), "ﷺ".repeat(160), "a ".repeat(250)] {
            let mut names = FileNames::default();
            let first = names.unique(DAY, Some(&title));
            for name in [first, names.unique(DAY, Some(&title))] {
                let (_, file) = name.rsplit_once('/').unwrap();
                assert!(file.len() <= 115 && file.starts_with("2026-11-25-"), "{file}");
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names = FileNames::default();
        let given: Vec<_> = ["Straße", "STRASSE", "strasse 2", "stra\u{301}sse", "Strásse", "ſtrasse", "Straße"]
            .iter()
            .map(|title| names.unique(DAY, Some(title)))
            .collect();
        let given: Vec<_> = given.iter().map(|name| name.trim_start_matches("entries/2026/2026-11-25-")).collect();
        assert_eq!(given, ["straße", "strasse-2", "strasse-2-2", "strásse", "strásse-2", "strasse-3", "straße-4"]);
        let untitled: Vec<_> = (0..3).map(|_| names.unique(DAY, None)).collect();
        assert_eq!(untitled[2], "entries/2026/2026-11-25-3");
    }
    proptest! {
        #[test]
        fn any_titles_get_different_names_that_every_file_system_accepts(
            titles in prop::collection::vec(prop::option::of("\\PC{0,60}|[./\\\\:*?\"<>| -]{0,9}|[aAäÄsSßſ ]{0,3}"), 1..40),
        ) {
            let mut names = FileNames::default();
            let mut given = HashSet::new();
            for title in titles {
                let name = names.unique(DAY, title.as_deref());
                let file = name.strip_prefix("entries/2026/").unwrap();
                prop_assert!(file.starts_with("2026-11-25"), "{}", file);
                prop_assert!(file.len() <= 115 && !file.ends_with(['-', '.', ' ']), "{}", file);
                prop_assert!(file.chars().all(|c| c.is_alphanumeric() || c == '-' || is_combining_mark(c)), "{}", file);
                // Neither a file system that ignores case nor one that decomposes letters sees the same name twice.
                let seen: String = file.to_lowercase().nfd().collect();
                prop_assert!(given.insert(seen), "{} is given twice", file);
            }
        }
    }
}
