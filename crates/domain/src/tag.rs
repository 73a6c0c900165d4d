//! Tags: words that a person puts on entries to find them again.

use unicode_normalization::UnicodeNormalization;

use crate::clock::Timestamp;
use crate::flaw::Flaw;
use crate::ids::{TagId, UserId};
use crate::text::{self, Check, Violations};

/// A tag of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The id.
    pub id: TagId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is called.
    pub name: TagName,
    /// How it is drawn.
    pub color: Option<Color>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A tag as it is shown on an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRef {
    /// The id.
    pub id: TagId,
    /// What it is called.
    pub name: String,
    /// How it is drawn, `#rrggbb`.
    pub color: Option<String>,
}

/// The name of a tag: one line of 1 to 100 bytes in Unicode form NFC, inner white space folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagName(String);

impl TagName {
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        // Long input is refused before it is normalized; NFC grows text threefold at most.
        let text = text::line(text, 1024).map_err(|flaw| match text.len() {
            0..=1024 => flaw,
            _ => Flaw::Longer { max: 100 },
        })?;
        let name: String = text.split_whitespace().collect::<Vec<_>>().join(" ").nfc().collect();
        if name.len() > 100 {
            return Err(Flaw::Longer { max: 100 });
        }
        if TagName(name.clone()).key().is_empty() {
            return Err(Flaw::Empty);
        }
        Ok(Self(name))
    }

    /// Takes a name that was checked before it was stored.
    pub fn from_stored(name: String) -> Self {
        Self(name)
    }

    /// As the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What decides whether two names are one tag: compatibility form NFKC, lower case. `Café`, `cafe´` typed
    /// with a combining accent, and `CAFÉ` share a key.
    pub fn key(&self) -> String {
        let folded: String = self.0.nfkc().flat_map(char::to_lowercase).collect();
        folded.nfkc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// A colour, `#rrggbb` in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Color(String);

impl Color {
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let digits = text.strip_prefix('#').unwrap_or_default();
        if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(Flaw::NotAColour)
        }
    }

    /// Takes a colour that was checked before it was stored.
    pub fn from_stored(color: String) -> Self {
        Self(color)
    }

    /// The seven characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A tag to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTag {
    /// The id, made by the caller.
    pub id: TagId,
    /// What it is called.
    pub name: TagName,
    /// How it is drawn.
    pub color: Option<Color>,
}

impl NewTag {
    /// Checks what was sent.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(id: TagId, name: &str, color: Option<&str>) -> Result<Self, Violations> {
        let mut check = Check::default();
        let name = check.take("name", TagName::parse(name));
        let color = color.and_then(|color| check.take("color", Color::parse(color)));
        check.finish(name.map(|name| Self { id, name, color }))
    }
}

/// A change of a tag; `None` leaves a field as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct TagPatch {
    /// A new name.
    pub name: Option<TagName>,
    /// A new colour.
    pub color: Option<Option<Color>>,
}

impl TagPatch {
    /// Checks what was sent.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(name: Option<&str>, color: Option<Option<&str>>) -> Result<Self, Violations> {
        let mut check = Check::default();
        let name = name.and_then(|name| check.take("name", TagName::parse(name)));
        let color = color.map(|color| color.and_then(|color| check.take("color", Color::parse(color))));
        check.finish(Some(Self { name, color }))
    }
}

/// How a request names a tag of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagChoice {
    /// A tag that exists.
    Existing(TagId),
    /// The tag with this name's key; if there is none, this one is made.
    Named(NewTag),
}

/// Tags on one entry, at most.
pub const MAX_TAGS_PER_ENTRY: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_share_a_key() {
        let composed = TagName::parse(" Caf\u{e9} ").unwrap();
        let decomposed = TagName::parse("CAFE\u{301}").unwrap();
        assert_eq!(composed.as_str(), "Caf\u{e9}");
        assert_eq!(composed.key(), decomposed.key());
        assert_ne!(composed.key(), TagName::parse("cafe").unwrap().key());
        assert_eq!(TagName::parse("two   words").unwrap().as_str(), "two words");
        assert_eq!(TagName::parse("\u{fb01}ne").unwrap().key(), "fine");
    }

    #[test]
    fn bad_names_and_colours_are_refused() {
        for bad in ["", "  ", "\u{200a}", "a\nb", &"x".repeat(101), &"x".repeat(10_000)] {
            assert!(TagName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Color::parse("#FF00aa").unwrap().as_str(), "#ff00aa");
        for bad in ["", "red", "#fff", "#gggggg", "#ff00aa0"] {
            assert!(Color::parse(bad).is_err(), "{bad:?}");
        }
    }
}
