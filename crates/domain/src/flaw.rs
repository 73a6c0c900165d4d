//! Field errors: the one list of what can be wrong with a field, for requests and settings alike.

use serde_json::{Map, Value};

use crate::api_token::Scope;
use crate::ids::TagId;

/// Defines each flaw with its code and, in brackets, the names of its public values.
macro_rules! flaws {
    ($(
        $(#[$about:meta])*
        $flaw:ident $(($text:ty))? $({ $($value:ident: $type:ty),+ })? = $code:literal [$($param:ident),*]
    )+) => {
        /// Why a field is invalid. The text is a predicate such as "must not be empty", for people; programs use
        /// [`Self::code`].
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum Flaw {
            $($(#[$about])* $flaw $(($text))? $({ $(#[doc = "As the sentence says it."] $value: $type),+ })?,)+
        }

        impl Flaw {
            /// All codes, with the names of their [`Self::params`]. Codes are part of the API: a code never changes its
            /// meaning. Flaws that differ only in their text share a code.
            pub const CODES: &[(&str, &[&str])] = &[$(($code, &[$(stringify!($param)),*])),+];

            /// The code, in lower case with underscores.
            pub fn code(&self) -> &'static str {
                match self {
                    $(Self::$flaw { .. } => $code,)+
                }
            }

            /// The values that a translation of the text needs.
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
    /// The value cannot be parsed, because of an error in a program rather than a mistake of a person. Contains the
    /// reason.
    #[error("{0}")]
    Malformed(String) = "malformed" []
    /// A required field is missing. Contains the condition.
    #[error("{0}")]
    Missing(&'static str) = "missing" []
    /// The field is present, but must not be. Contains the reason.
    #[error("{0}")]
    Unexpected(&'static str) = "unexpected" []

    /// The text is empty or white space.
    #[error("must not be empty")]
    Empty = "empty" []
    /// The text has several lines or control characters.
    #[error("must be a single line without control characters")]
    NotOneLine = "not_one_line" []
    /// The text contains characters that nobody sees, or that change the direction of the text.
    #[error("must not contain hidden characters, such as zero-width spaces or marks that change the direction of text")]
    HiddenCharacters = "hidden_characters" []
    /// The text contains the NUL character, which PostgreSQL cannot store.
    #[error("must not contain the NUL character")]
    Nul = "nul" []
    /// The text has too many bytes.
    #[error("must be at most {max} bytes long; this is {length}")]
    TooLong { max: usize, length: usize } = "too_long" [max]
    /// Like `TooLong`, for values that are not stored as they were sent, so that stating their length would not help.
    #[error("must be at most {max} bytes long")]
    Longer { max: usize } = "too_long" [max]
    /// Like `TooLong`, for JSON.
    #[error("must be at most {max} bytes of JSON; these are {length}")]
    TooMuchJson { max: usize, length: usize } = "too_long" [max]
    /// The text has too few characters.
    #[error("must be at least {min} characters long")]
    TooShort { min: usize } = "too_short" [min]
    /// The list has too many elements.
    #[error("must be at most {max}; these are {count}")]
    TooMany { max: usize, count: usize } = "too_many" [max]
    /// Like `TooMany`, for tokens.
    #[error("must be at most {max} tokens; these are {count}")]
    TooManyTokens { max: usize, count: usize } = "too_many" [max]
    /// Like `TooMany`, where counting stopped at the limit.
    #[error("must be at most {max}")]
    More { max: usize } = "too_many" [max]
    /// The number is too small or too large.
    #[error("must lie between {min} and {max}")]
    OutOfRange { min: u32, max: u32 } = "out_of_range" [min, max]

    /// The value is not an e-mail address.
    #[error("must be an e-mail address")]
    NotAnEmail = "not_an_email" []
    /// The password is one of the first that others try.
    #[error("is too easy to guess: use a few random words, or let a password manager choose")]
    GuessablePassword = "guessable_password" []
    /// The password is the address or the name of its owner, or little more.
    #[error("must not be made of the address or the name of the account")]
    PersonalPassword = "personal_password" []
    /// The password is not the account's.
    #[error("is wrong")]
    WrongPassword = "wrong_password" []
    /// The e-mail address is not the account's.
    #[error("must be the address of this account")]
    WrongEmail = "wrong_email" []
    /// The value is not a web address.
    #[error("must be an http(s) address or a path that begins with /")]
    NotAnAddress = "not_an_address" []
    /// The value is not a path on this server.
    #[error("must be a path on this server, such as /entries, of at most {max} bytes")]
    NotAPath { max: usize } = "not_a_path" [max]
    /// The value is not a zone of the time zone database.
    #[error("must be the name of an IANA time zone, such as Europe/Berlin")]
    UnknownZone = "unknown_zone" []
    /// The value is not a date and time with a zone.
    #[error("must be a date and time with zone, such as 2025-01-22T10:00:00Z")]
    NotATime = "not_a_time" []
    /// The time is out of the range that can be stored.
    #[error("must lie between the years 1 and 9999")]
    FarTime = "far_time" []
    /// The time must be in the future, but is not.
    #[error("must be in the future")]
    Past = "past" []
    /// The value is not a calendar day.
    #[error("must be a day such as 2025-01-22")]
    NotADay = "not_a_day" []

    /// The value is not a colour.
    #[error("must be a colour such as #1e90ff")]
    NotAColour = "not_a_colour" []
    /// The id is not that of one of the user's tags.
    #[error("must be tags of yours; {tag} is not")]
    UnknownTag { tag: TagId } = "unknown_tag" []
    /// The search text has no searchable words.
    #[error("must have a word or a number to look for")]
    NoWords = "no_words" []
    /// The search text has too many words.
    #[error("must have at most {max} different words")]
    TooManyWords { max: usize } = "too_many_words" [max]
    /// Too many words of the search text have a single character.
    #[error("must have at most {max} words of a single character; look for longer words")]
    TooManySingleCharacters { max: usize } = "too_many_single_characters" [max]
    /// The value is not a frequency of reminders.
    #[error("must be daily, weekdays, weekends, weekly, monthly or custom")]
    UnknownFrequency = "unknown_frequency" []
    /// The value is not a list of weekdays.
    #[error("must be days out of mon,tue,wed,thu,fri,sat,sun, separated by commas")]
    UnknownDay = "unknown_day" []
    /// The value is not a scope of API tokens.
    #[error("must be of these: {}", Scope::ALL.map(Scope::name).join(", "))]
    UnknownScope = "unknown_scope" []
    /// The list of scopes is empty.
    #[error("must name one scope at least")]
    NoScope = "no_scope" []

    /// The value is not a UUID.
    #[error("must be a UUID")]
    NotAUuid = "not_a_uuid" []
    /// The UUID is not a unique one, such as the nil UUID.
    #[error("must be a unique UUID, such as one of version 4 or 7")]
    CommonUuid = "common_uuid" []
    /// The cursor is for another list or another user.
    #[error("must be one that this same list gave to you; start again without it")]
    UnknownCursor = "unknown_cursor" []
    /// The value is not a version of this entry.
    #[error("must be an ETag of this entry, such as \"3\"")]
    NotAnEtag = "not_an_etag" []
    /// The value is not a valid idempotency key.
    #[error("must be one value of 1 to {max} visible ASCII characters, without quotes and backslashes in it")]
    NotAnIdempotencyKey { max: usize } = "not_an_idempotency_key" [max]
    /// The idempotency key was used with another request.
    #[error("came with another request before: make a new one for each request")]
    IdempotencyKeyReused = "idempotency_key_reused" []
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn codes_are_words_and_field_errors_with_one_code_have_the_same_params() {
        let distinct: BTreeSet<_> = Flaw::CODES.iter().collect();
        let by_code: BTreeMap<_, _> = distinct.iter().map(|(code, params)| (*code, *params)).collect();
        assert_eq!(by_code.len(), distinct.len());
        for code in by_code.keys() {
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
        }
    }

    #[test]
    fn a_field_error_has_a_sentence_and_a_code() {
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
