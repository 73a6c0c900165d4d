//! Lists in requests, which are refused as soon as they have too many elements.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use sotto_domain::Flaw;

/// A list of at most `MAX` elements. Parsing stops at the next one, so that no more of them cost anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounded<T, const MAX: usize>(pub Vec<T>);

impl<T, const MAX: usize> Default for Bounded<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// How the error of a list that is too long begins. `serde` carries nothing but text; no other message begins like
/// this, because those that quote a request begin with words of their own.
const MARK: &str = "must be at most ";

/// The flaw in the message of a parser, if it is that of [`Bounded`].
pub fn flaw(message: &str) -> Option<Flaw> {
    let max: String = message.strip_prefix(MARK)?.chars().take_while(char::is_ascii_digit).collect();
    max.parse().ok().map(|max| Flaw::More { max })
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Bounded<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

struct Elements<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Elements<T, MAX> {
    type Value = Bounded<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while list.len() < MAX {
            let Some(element) = elements.next_element()? else { return Ok(Bounded(list)) };
            list.push(element);
        }
        let mut has_more = false;
        match elements.next_element_seed(NotParsed(&mut has_more)) {
            Ok(None) => Ok(Bounded(list)),
            Err(error) if !has_more => Err(error),
            Ok(Some(())) | Err(_) => Err(A::Error::custom(format_args!("{MARK}{MAX}"))),
        }
    }
}

/// An element that is one too many: it is noted and not parsed.
struct NotParsed<'a>(&'a mut bool);

impl<'de> DeserializeSeed<'de> for NotParsed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        *self.0 = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsing_stops_at_the_limit() {
        let parse = |text: &str| serde_json::from_str::<Bounded<u8, 2>>(text);
        assert_eq!(parse("[]").unwrap(), Bounded::default());
        assert_eq!(parse("[1, 2]").unwrap().0, [1, 2]);
        // What follows need not even be JSON.
        for text in ["[1, 2, 3]", "[1, 2, \"x\"]", "[1, 2, 3, nonsense"] {
            let message = parse(text).unwrap_err().to_string();
            assert_eq!(flaw(&message), Some(Flaw::More { max: 2 }), "{message}");
        }
        for text in ["[1, 2", "[1, 2 3]", "[256]", "{}", "null", "\"must be at most 7\"", "[\"must be at most 7\"]"] {
            let message = parse(text).unwrap_err().to_string();
            assert_eq!(flaw(&message), None, "{text}: {message}");
        }
    }
}
