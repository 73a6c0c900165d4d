//! Tags: labels that users give to entries in order to find them again.

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
    /// The owner.
    pub user_id: UserId,
    /// The name.
    pub name: TagName,
    /// The colour, if one is set.
    pub color: Option<Color>,
    /// When the tag was created.
    pub created_at: Timestamp,
    /// When the tag was last changed.
    pub updated_at: Timestamp,
}

/// A tag of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRef {
    /// The id.
    pub id: TagId,
    /// The name.
    pub name: String,
    /// The colour, `#rrggbb`.
    pub color: Option<String>,
}

/// The name of a tag: one line of 1 to 100 bytes in Unicode normalization form NFC, with each run of white space
/// replaced by one space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagName(String);

impl TagName {
    /// Checks and normalizes a name that a user has typed.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        // Long input is rejected before it is normalized. NFC makes text at most three times as long.
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

    /// Wraps a name from storage, which was checked before it was stored.
    pub fn from_stored(name: String) -> Self {
        Self(name)
    }

    /// The name in the user's spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key that makes two names the same tag: normalization form NFKC in lower case. `Café`, `cafe´` typed with a
    /// combining accent, and `CAFÉ` have the same key.
    pub fn key(&self) -> String {
        let folded: String = self.0.nfkc().flat_map(char::to_lowercase).collect();
        folded.nfkc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// A colour, `#rrggbb` in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Color(String);

impl Color {
    /// Accepts a colour in lower or upper case.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let digits = text.strip_prefix('#').unwrap_or_default();
        if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(Flaw::NotAColour)
        }
    }

    /// Wraps a colour from storage, which was checked before it was stored.
    pub fn from_stored(color: String) -> Self {
        Self(color)
    }

    /// The colour, seven characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A tag to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTag {
    /// The id, chosen by the caller.
    pub id: TagId,
    /// The name.
    pub name: TagName,
    /// The colour, if one is set.
    pub color: Option<Color>,
}

impl NewTag {
    /// Checks the fields of a request.
    pub fn parse(id: TagId, name: &str, color: Option<&str>) -> Result<Self, Violations> {
        let mut check = Check::default();
        let name = check.accept("name", TagName::parse(name));
        let color = color.and_then(|color| check.accept("color", Color::parse(color)));
        check.finish(name.map(|name| Self { id, name, color }))
    }
}

/// A change of a tag; `None` leaves a field unchanged, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct TagPatch {
    /// A new name.
    pub name: Option<TagName>,
    /// A new colour.
    pub color: Option<Option<Color>>,
}

impl TagPatch {
    /// Checks the fields of a request.
    pub fn parse(name: Option<&str>, color: Option<Option<&str>>) -> Result<Self, Violations> {
        let mut check = Check::default();
        let name = name.and_then(|name| check.accept("name", TagName::parse(name)));
        let color = color.map(|color| color.and_then(|color| check.accept("color", Color::parse(color))));
        check.finish(Some(Self { name, color }))
    }
}

/// A tag of an entry in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagChoice {
    /// The user's tag with this id.
    Existing(TagId),
    /// The tag with the same name key, or this new tag if there is none.
    Named(NewTag),
}

/// The most tags that an entry can have.
pub const MAX_TAGS_PER_ENTRY: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_names_share_a_key() {
        let composed = TagName::parse(" Caf\u{e9} ").unwrap();
        let decomposed = TagName::parse("CAFE\u{301}").unwrap();
        assert_eq!(composed.as_str(), "Caf\u{e9}");
        assert_eq!(composed.key(), decomposed.key());
        assert_ne!(composed.key(), TagName::parse("cafe").unwrap().key());
        assert_eq!(TagName::parse("two   words").unwrap().as_str(), "two words");
        assert_eq!(TagName::parse("\u{fb01}ne").unwrap().key(), "fine");
    }

    #[test]
    fn invalid_names_and_colours_are_rejected() {
        for bad in ["", "  ", "\u{200a}", "a\nb", &"x".repeat(101), &"x".repeat(10_000)] {
            assert!(TagName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Color::parse("#FF00aa").unwrap().as_str(), "#ff00aa");
        for bad in ["", "red", "#fff", "#gggggg", "#ff00aa0"] {
            assert!(Color::parse(bad).is_err(), "{bad:?}");
        }
    }
}
