//! Checks of text in requests, and the list of violations that a rejected request returns.

use std::fmt;

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

use crate::flaw::Flaw;

/// One invalid field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's name in the API.
    pub field: &'static str,
    /// The reason why the field is invalid.
    pub flaw: Flaw,
}

/// All violations of a request; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{} {}", violation.field, violation.flaw)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

/// Collects violations, so that a response reports all of them at once.
#[derive(Default)]
pub struct Check(Vec<Violation>);

impl Check {
    /// Adds a violation of `field`.
    pub fn refuse(&mut self, field: &'static str, flaw: Flaw) {
        self.0.push(Violation { field, flaw });
    }

    /// Returns a valid value, or adds the violation of an invalid one.
    pub fn accept<T>(&mut self, field: &'static str, result: Result<T, Flaw>) -> Option<T> {
        result.map_err(|flaw| self.refuse(field, flaw)).ok()
    }

    /// Returns `value` if there are no violations. The caller combines the options that [`Self::accept`] returned into
    /// `value`, which is `None` if any of them is.
    ///
    /// # Errors
    /// All violations.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Violations> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Violations(self.0)),
        }
    }
}

/// Accepts text of at most `max` bytes without NUL, which PostgreSQL cannot store.
pub fn plain(text: String, max: usize) -> Result<String, Flaw> {
    if text.len() > max {
        return Err(Flaw::TooLong { max, length: text.len() });
    }
    if text.contains('\0') {
        return Err(Flaw::Nul);
    }
    Ok(text)
}

/// Accepts one line: as [`plain`], but trimmed, not empty, and without control characters.
pub fn line(text: &str, max: usize) -> Result<String, Flaw> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(Flaw::Empty);
    }
    if trimmed.chars().any(char::is_control) {
        return Err(Flaw::NotOneLine);
    }
    plain(trimmed.to_owned(), max)
}

/// Accepts one line: as [`line()`], but without characters that nobody sees or that reorder the text around them (zero
/// width, bidirectional controls, fillers), so that two texts that look the same are the same.
pub fn visible_line(text: &str, max: usize) -> Result<String, Flaw> {
    let line = line(text, max)?;
    if line.chars().any(is_hidden) { Err(Flaw::HiddenCharacters) } else { Ok(line) }
}

fn is_hidden(letter: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    let category = CodePointMapData::<GeneralCategory>::new().get(letter);
    matches!(category, Control | Format | LineSeparator | ParagraphSeparator)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(letter)
        // The empty Braille pattern, a symbol without dots.
        || letter == '\u{2800}'
}

/// Accepts an absolute `http(s)` address or an absolute path on this server, at most 2048 bytes.
pub fn address(text: &str) -> Result<String, Flaw> {
    let text = line(text, 2048)?;
    // Browsers treat `//host` and `/\host` as addresses of another host.
    let path = text.starts_with('/') && !text.starts_with("//") && !text.starts_with("/\\");
    let web = ["https://", "http://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    if (path || web) && !text.contains(char::is_whitespace) { Ok(text) } else { Err(Flaw::NotAnAddress) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_length_limits() {
        assert!(plain("a".repeat(10), 10).is_ok());
        assert!(plain("a".repeat(11), 10).is_err());
        assert!(plain("a\0b".into(), 10).is_err());
        assert_eq!(line("  two words ", 20).unwrap(), "two words");
        assert!(line(" \u{a0} ", 20).is_err());
        assert!(line("two\nlines", 20).is_err());
    }

    #[test]
    fn addresses_cannot_contain_scripts_or_other_hosts() {
        for good in ["https://example.org/a.png", "/api/journals/x/audio"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["javascript:alert(1)", "//evil.example", "/\\evil.example", "https://", "ftp://x", "a b"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
