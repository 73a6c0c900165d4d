//! What can be wrong with a field of an input: one list, for everything that reads what people and programs send.

use serde_json::{Map, Value};

use crate::api_token::Scope;
use crate::ids::TagId;

/// Names each flaw, lists the names, and gives the values that are published of a flaw: those in brackets.
macro_rules! flaws {
    ($(
        $(#[$about:meta])*
        $flaw:ident $(($text:ty))? $({ $($value:ident: $type:ty),+ })? = $code:literal [$($param:ident),*]
    )+) => {
        /// What is wrong with a field. It displays as a sentence without a subject, "must not be empty", so that a person
        /// can act on it; programs tell it by [`Self::code`].
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum Flaw {
            $($(#[$about])* $flaw $(($text))? $({ $(#[doc = "As the sentence says it."] $value: $type),+ })?,)+
        }

        impl Flaw {
            /// Every code, with the names of its [`Self::params`]. Codes are part of the API: none is ever given to
            /// something else. Two flaws that differ in their sentence only share one.
            pub const CODES: &[(&str, &[&str])] = &[$(($code, &[$(stringify!($param)),*])),+];

            /// Its name, in lower case with underscores.
            pub fn code(&self) -> &'static str {
                match self {
                    $(Self::$flaw { .. } => $code,)+
                }
            }

            /// The values that a sentence in another language needs.
            pub fn params(&self) -> Map<String, Value> {
                match self {
                    $(Self::$flaw { $($param,)* .. } => {
                        [$((stringify!($param).to_owned(), Value::from(*$param))),*].into_iter().collect()
                    })+
                }
            }
        }
    };
}

flaws! {
    /// It cannot be read as what it has to be; programs send that, not people. This says how.
    #[error("{0}")]
    Malformed(String) = "malformed" []
    /// It is not there, and has to be; this says when.
    #[error("{0}")]
    Missing(&'static str) = "missing" []
    /// It is there, and must not be; this says why.
    #[error("{0}")]
    Unexpected(&'static str) = "unexpected" []

    /// Nothing, or white space.
    #[error("must not be empty")]
    Empty = "empty" []
    /// Several lines, or control characters.
    #[error("must be a single line without control characters")]
    NotOneLine = "not_one_line" []
    /// The NUL character, which PostgreSQL cannot store.
    #[error("must not contain the NUL character")]
    Nul = "nul" []
    /// Too many bytes.
    #[error("must be at most {max} bytes long; this is {length}")]
    TooLong { max: usize, length: usize } = "too_long" [max]
    /// The same of something that is not kept as it was sent, so that its length would tell nothing.
    #[error("must be at most {max} bytes long")]
    Longer { max: usize } = "too_long" [max]
    /// The same of JSON.
    #[error("must be at most {max} bytes of JSON; these are {length}")]
    TooMuchJson { max: usize, length: usize } = "too_long" [max]
    /// Too few characters.
    #[error("must be at least {min} characters long")]
    TooShort { min: usize } = "too_short" [min]
    /// Too many things in a list.
    #[error("must be at most {max}; these are {count}")]
    TooMany { max: usize, count: usize } = "too_many" [max]
    /// The same of tokens.
    #[error("must be at most {max} tokens; these are {count}")]
    TooManyTokens { max: usize, count: usize } = "too_many" [max]
    /// A number that is too small or too large.
    #[error("must lie between {min} and {max}")]
    OutOfRange { min: u32, max: u32 } = "out_of_range" [min, max]

    /// No e-mail address.
    #[error("must be an e-mail address")]
    NotAnEmail = "not_an_email" []
    /// Not the password of the account.
    #[error("is wrong")]
    WrongPassword = "wrong_password" []
    /// Not the e-mail address of the account.
    #[error("must be the address of this account")]
    WrongEmail = "wrong_email" []
    /// No address on the web.
    #[error("must be an http(s) address or a path that begins with /")]
    NotAnAddress = "not_an_address" []
    /// No path on this server.
    #[error("must be a path on this server, such as /entries, of at most {max} bytes")]
    NotAPath { max: usize } = "not_a_path" [max]
    /// No zone of the time zone database.
    #[error("must be the name of an IANA time zone, such as Europe/Berlin")]
    UnknownZone = "unknown_zone" []
    /// No instant.
    #[error("must be a date and time with zone, such as 2025-01-22T10:00:00Z")]
    NotATime = "not_a_time" []
    /// An instant that cannot be kept.
    #[error("must lie between the years 1 and 9999")]
    FarTime = "far_time" []
    /// An instant that has to be ahead, and is not.
    #[error("must be in the future")]
    Past = "past" []
    /// No calendar day.
    #[error("must be a day such as 2025-01-22")]
    NotADay = "not_a_day" []

    /// No colour.
    #[error("must be a colour such as #1e90ff")]
    NotAColour = "not_a_colour" []
    /// A tag that is none of the user's.
    #[error("must be tags of yours; {tag} is not")]
    UnknownTag { tag: TagId } = "unknown_tag" []
    /// Nothing in it that can be searched for.
    #[error("must have a word or a number to look for")]
    NoWords = "no_words" []
    /// No frequency of reminders.
    #[error("must be daily, weekdays, weekends, weekly, monthly or custom")]
    UnknownFrequency = "unknown_frequency" []
    /// No days of the week.
    #[error("must be days out of mon,tue,wed,thu,fri,sat,sun, separated by commas")]
    UnknownDay = "unknown_day" []
    /// No scope of API tokens.
    #[error("must be of these: {}", Scope::ALL.map(Scope::name).join(", "))]
    UnknownScope = "unknown_scope" []
    /// No scope at all.
    #[error("must name one scope at least")]
    NoScope = "no_scope" []

    /// No UUID.
    #[error("must be a UUID")]
    NotAUuid = "not_a_uuid" []
    /// A UUID that anybody would choose.
    #[error("must be a UUID of its own, such as a version 4 or 7 one")]
    CommonUuid = "common_uuid" []
    /// A cursor of another list, or of somebody else.
    #[error("must be one that this same list gave to you; start again without it")]
    UnknownCursor = "unknown_cursor" []
    /// No version of an entry.
    #[error("must be an ETag of this entry, such as \"3\"")]
    NotAnEtag = "not_an_etag" []
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn codes_are_plain_words_and_flaws_that_share_one_have_the_same_params() {
        let distinct: BTreeSet<_> = Flaw::CODES.iter().collect();
        let by_code: BTreeMap<_, _> = distinct.iter().map(|(code, params)| (*code, *params)).collect();
        assert_eq!(by_code.len(), distinct.len());
        for code in by_code.keys() {
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
        }
    }

    #[test]
    fn a_flaw_is_told_to_people_and_to_programs() {
        let long = Flaw::TooLong { max: 100, length: 101 };
        assert_eq!(long.to_string(), "must be at most 100 bytes long; this is 101");
        assert_eq!((long.code(), Value::from(long.params())), ("too_long", serde_json::json!({"max": 100})));
        let range = Flaw::OutOfRange { min: 1, max: 1000 };
        assert_eq!(
            (range.code(), Value::from(range.params())),
            ("out_of_range", serde_json::json!({"min": 1, "max": 1000}))
        );
        let malformed = Flaw::Malformed("is not JSON".into());
        assert_eq!((malformed.to_string().as_str(), malformed.code()), ("is not JSON", "malformed"));
        assert!(malformed.params().is_empty());
        assert!(Flaw::UnknownScope.to_string().contains("entries:read, entries:write"));
    }
}
