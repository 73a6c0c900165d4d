//! Passwords of accounts: how they are compared, and which ones are too easy to guess.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::{UnicodeNormalization, is_nfkc};

use crate::account::User;
use crate::flaw::Flaw;

/// The fewest characters of a password.
pub const MIN_CHARACTERS: usize = 8;
/// The longest password in bytes, as typed. It bounds the work of hashing.
pub const MAX_BYTES: usize = 1024;
/// Guesses that a password has to withstand, as a power of ten. With the limits of sign-in, that takes years from one
/// network, and the Argon2 hash makes each guess expensive for a thief of the database.
const MIN_GUESSES_LOG10: f64 = 6.0;
/// Characters that the estimate reads. Its work grows faster than the length.
const ESTIMATED_CHARACTERS: usize = 32;
/// Symbols that can stand for letters, of which the estimate tries all combinations.
const SUBSTITUTES: &str = "@({[<&#!/|$+%";
/// Different substitutes that the estimate reads: the work grows exponentially with their number, to seconds for all of
/// them. Three are as many as in `P@$$w0rd!`.
const MAX_SUBSTITUTES: usize = 3;
/// Characters of an address or a name that a password is compared with. Neither is valid with more.
const COMPARED_CHARACTERS: usize = 254;

/// A password in its one form. `Debug` does not show it.
pub struct Password(String);

/// What a password must not be, because it is the first that others try.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owner<'a> {
    /// The address of the account, as given.
    pub email: &'a str,
    /// The name of the user.
    pub full_name: Option<&'a str>,
}

impl Password {
    /// Accepts at least [`MIN_CHARACTERS`] characters and at most [`MAX_BYTES`] bytes that are neither easy to guess
    /// nor about their owner.
    pub fn parse(text: &str, owner: Owner<'_>) -> Result<Self, Flaw> {
        if text.len() > MAX_BYTES {
            return Err(Flaw::Longer { max: MAX_BYTES });
        }
        let password = normalized(text).into_owned();
        if password.chars().count() < MIN_CHARACTERS {
            return Err(Flaw::TooShort { min: MIN_CHARACTERS });
        }
        if owner.is_meant_by(&password) {
            return Err(Flaw::PersonalPassword);
        }
        let (start, words) = (estimated_part(&password), owner.words());
        let withstands = |known: &[&str]| zxcvbn::zxcvbn(&start, known).guesses_log10() >= MIN_GUESSES_LOG10;
        if withstands(&words.iter().map(String::as_str).collect::<Vec<_>>()) {
            return Ok(Self(password));
        }
        Err(if withstands(&[]) { Flaw::PersonalPassword } else { Flaw::GuessablePassword })
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// The one form of a password, NFKC: keyboards and systems write the same characters with different code points. Hashes
/// that were made before passwords had one form are of the text as typed.
pub fn normalized(text: &str) -> Cow<'_, str> {
    if is_nfkc(text) { text.into() } else { text.nfkc().collect::<String>().into() }
}

impl<'a> Owner<'a> {
    /// The owner of an account.
    pub fn of(user: &'a User) -> Self {
        Self { email: user.email.as_str(), full_name: user.full_name.as_deref() }
    }

    /// Whether a password consists of the address, a part of it, or the name. Case and punctuation do not matter.
    fn is_meant_by(&self, password: &str) -> bool {
        let password = letters(password);
        !password.is_empty() && self.words().iter().any(|word| letters(word) == password)
    }

    /// The address, the name, and the words of both that are long enough to say something.
    fn words(&self) -> Vec<String> {
        let bounded = |text: &str| text.chars().take(COMPARED_CHARACTERS).collect::<String>().to_lowercase();
        let (email, name) = (bounded(self.email), bounded(self.full_name.unwrap_or_default()));
        let local = email.split('@').next().unwrap_or_default();
        let all = [email.as_str(), local, name.as_str()];
        let parts = all.iter().flat_map(|text| text.split(|letter: char| !letter.is_alphanumeric()));
        all.iter().copied().chain(parts).filter(|word| word.chars().count() > 2).map(str::to_owned).collect()
    }
}

/// The part of a password that the estimate reads, in which further substitutes are replaced by a symbol that is none.
fn estimated_part(password: &str) -> String {
    let mut substitutes = Vec::new();
    let mut read = |letter: char| {
        if !SUBSTITUTES.contains(letter) || substitutes.contains(&letter) {
            return letter;
        }
        if substitutes.len() == MAX_SUBSTITUTES {
            return '~';
        }
        substitutes.push(letter);
        letter
    };
    password.chars().take(ESTIMATED_CHARACTERS).map(&mut read).collect()
}

fn letters(text: &str) -> String {
    normalized(text).chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Owner<'_> = Owner { email: "ada.lovelace@example.org", full_name: Some("Ada Lovelace") };

    #[track_caller]
    fn flaw(text: &str) -> Option<Flaw> {
        Password::parse(text, ADA).err()
    }

    #[test]
    fn the_commonest_passwords_are_refused() {
        for common in [
            "password",
            "12345678",
            "        ",
            "123456789",
            "qwertyuiop",
            "iloveyou",
            "password1",
            "Passw0rd",
            "P@ssword",
            "aaaaaaaaaaaa",
            "abcdefgh",
            "11111111",
            "sunshine1",
            "football",
            "baseball",
            "princess",
            "asdfghjkl",
            "19900101",
            "trustno1",
            "starwars",
            "ｐａｓｓｗｏｒｄ",
            "passwordpassword",
            "1q2w3e4r",
            "superman",
            "computer",
        ] {
            assert_eq!(flaw(common), Some(Flaw::GuessablePassword), "{common}");
        }
        assert_eq!(flaw(&"x".repeat(1024)), Some(Flaw::GuessablePassword));
    }

    #[test]
    fn address_and_name_are_refused() {
        for personal in [
            "ada.lovelace@example.org",
            "ADA.LOVELACE@example.org",
            "adalovelace",
            "Ada Lovelace",
            "lovelace",
            "Lovelace!",
        ] {
            assert_eq!(flaw(personal), Some(Flaw::PersonalPassword), "{personal}");
        }
        // With little added to it.
        let xaverl = Owner { email: "xaverl.brz@example.org", full_name: None };
        assert_eq!(Password::parse("xaverl12", xaverl).err(), Some(Flaw::PersonalPassword));
        assert_eq!(Password::parse("xaverl12", ADA).err(), None);
    }

    #[test]
    fn memorable_passwords_are_accepted() {
        for good in [
            "correct horse",
            "correct horse battery",
            "another password",
            "a new password",
            "a long walk by the lake",
            "seven small boats",
            "another horse battery",
            "Mein Hund heißt Ödön",
            "日本語のパスワード",
            "xK4!pq9z",
            "lovelace wrote the first program",
        ] {
            assert_eq!(flaw(good), None, "{good}");
        }
    }

    #[test]
    fn characters_are_counted_and_bytes_are_bounded() {
        for short in ["", "short", "äöüäöü", "🌸🌼🌻🌺🌷🥀💐"] {
            assert_eq!(flaw(short), Some(Flaw::TooShort { min: 8 }), "{short}");
        }
        // Seven characters, written with fourteen code points.
        assert_eq!(flaw(&"a\u{308}".repeat(7)), Some(Flaw::TooShort { min: 8 }));
        let longest: String = (0..1024).map(|n| char::from(b'a' + u8::try_from(n * n % 23).unwrap())).collect();
        assert_eq!(flaw(&longest), None);
        assert_eq!(flaw(&format!("{longest}x")), Some(Flaw::Longer { max: 1024 }));
    }

    #[test]
    fn the_estimate_reads_a_bounded_part() {
        assert_eq!(estimated_part("P@$$w0rd!@"), "P@$$w0rd!@");
        assert_eq!(estimated_part("4@8({[<369&#!1/|0$5+7%2"), "4@8({~~369~~~1~~0~5~7~2");
        assert_eq!(estimated_part(&"日".repeat(100)), "日".repeat(32));
        let long = "Lovelace ".repeat(100_000);
        let owner = Owner { email: &long, full_name: Some(&long) };
        assert!(owner.words().iter().all(|word| word.chars().count() <= 254) && owner.words().len() < 100);
    }

    #[test]
    fn a_password_has_one_form() {
        let bytes = |text: &str| Password::parse(text, ADA).unwrap().as_bytes().to_vec();
        assert_eq!(bytes("schöne grüße aus kiel"), bytes("scho\u{308}ne gru\u{308}ße aus kiel"));
        assert_eq!(bytes("correct horse battery"), bytes("correct\u{a0}horse battery"));
        assert_eq!(normalized("ascii"), Cow::Borrowed("ascii"));
        assert_eq!(format!("{:?}", Password::parse("correct horse battery", ADA).unwrap()), "Password(…)");
    }
}
