//! Checks on text that a person or a program sends, and how a refusal is told.

use std::fmt;

/// One thing that is wrong with an input, told so that a person can act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's name, as in the API.
    pub field: &'static str,
    /// A sentence without a subject: "must not be empty".
    pub message: String,
}

/// All that is wrong with an input; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{} {}", violation.field, violation.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

/// Collects what is wrong, so that all of it is told at once.
#[derive(Default)]
pub struct Check(Vec<Violation>);

impl Check {
    /// Notes that `field` is wrong.
    pub fn refuse(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push(Violation { field, message: message.into() });
    }

    /// Keeps a good value; notes what is wrong with a bad one.
    pub fn take<T, M: Into<String>>(&mut self, field: &'static str, result: Result<T, M>) -> Option<T> {
        result.map_err(|message| self.refuse(field, message)).ok()
    }

    /// `value` if nothing was wrong. Every value that was refused is `None` in it, so callers pass the
    /// options that [`Self::take`] gave, joined.
    ///
    /// # Errors
    /// All that was refused.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Violations> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Violations(self.0)),
        }
    }
}

/// Accepts text of at most `max` bytes without NUL, which PostgreSQL cannot store.
///
/// # Errors
/// A sentence without a subject.
pub fn plain(text: String, max: usize) -> Result<String, String> {
    if text.len() > max {
        return Err(format!("must be at most {max} bytes long; this is {}", text.len()));
    }
    if text.contains('\0') {
        return Err("must not contain the NUL character".into());
    }
    Ok(text)
}

/// Accepts one line: like [`plain`], without control characters, trimmed, and not empty.
///
/// # Errors
/// A sentence without a subject.
pub fn line(text: &str, max: usize) -> Result<String, String> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err("must not be empty".into());
    }
    if trimmed.chars().any(char::is_control) {
        return Err("must be a single line without control characters".into());
    }
    plain(trimmed.to_owned(), max)
}

/// Accepts an absolute `http(s)` address or an absolute path on this server, at most 2048 bytes.
///
/// # Errors
/// A sentence without a subject.
pub fn address(text: &str) -> Result<String, String> {
    let text = line(text, 2048)?;
    // `//host` and `/\host` would be taken for another site by a browser.
    let path = text.starts_with('/') && !text.starts_with("//") && !text.starts_with("/\\");
    let web = ["https://", "http://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    if (path || web) && !text.contains(char::is_whitespace) {
        Ok(text)
    } else {
        Err("must be an http(s) address or a path that begins with /".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_bounds() {
        assert!(plain("a".repeat(10), 10).is_ok());
        assert!(plain("a".repeat(11), 10).is_err());
        assert!(plain("a\0b".into(), 10).is_err());
        assert_eq!(line("  two words ", 20).unwrap(), "two words");
        assert!(line(" \u{a0} ", 20).is_err());
        assert!(line("two\nlines", 20).is_err());
    }

    #[test]
    fn addresses_cannot_carry_scripts_or_leave_for_another_host() {
        for good in ["https://example.org/a.png", "/api/journals/x/audio"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["javascript:alert(1)", "//evil.example", "/\\evil.example", "https://", "ftp://x", "a b"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
