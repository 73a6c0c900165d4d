//! E-mail addresses: the one form in which an account has its address, and the forms of earlier versions.

use std::borrow::Cow;

use idna::AsciiDenyList;

use crate::flaw::Flaw;
use crate::text;

/// The longest address in bytes (RFC 5321, section 4.5.3.1.3).
const MAX_BYTES: usize = 254;

/// An e-mail address in its one form: `A` to `Z` in lower case, and the domain in ASCII (IDNA), so that two texts that
/// reach the same mailbox are the same address, and no two mailboxes share one.
///
/// Earlier versions lower-cased addresses by the rules of Unicode and kept domains as they were typed. Such addresses
/// stay as they are stored; [`GivenAddress`] finds their accounts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Accepts text with exactly one `@`, ASCII before it, and a domain after it. Does not check that the address
    /// receives mail.
    ///
    /// Letters outside ASCII are refused before the `@`, because only the mail server knows which of them it takes for
    /// the same: the Kelvin sign, which Unicode lower-cases to `k`, is not a `k`. In a domain they are converted by UTS
    /// 46; those that would become plain ASCII, such as the Kelvin sign, are refused there too.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let text = text::visible_line(text, MAX_BYTES)?;
        let (local, domain) = text.split_once('@').ok_or(Flaw::NotAnEmail)?;
        if local.is_empty() || !local.is_ascii() || text.contains(char::is_whitespace) {
            return Err(Flaw::NotAnEmail);
        }
        let domain = domain_in_ascii(domain).ok_or(Flaw::NotAnEmail)?;
        let email = format!("{}@{domain}", local.to_ascii_lowercase());
        if email.len() > MAX_BYTES { Err(Flaw::Longer { max: MAX_BYTES }) } else { Ok(Self(email)) }
    }

    /// Wraps an address that is stored, in whichever form.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address with its domain in Unicode, as earlier versions may have stored it; `None` if that is no other text.
    pub fn with_unicode_domain(&self) -> Option<Self> {
        let (local, domain) = self.0.split_once('@')?;
        let (domain, valid) = idna::domain_to_unicode(domain);
        let other = Self(format!("{local}@{domain}"));
        (valid.is_ok() && other != *self).then_some(other)
    }
}

/// An address as a person typed it to find an account that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenAddress {
    /// The form to count attempts by: all texts that find the same account have the same one.
    pub email: Email,
    /// The forms in which the account may have its address. The first one that has an account is meant.
    pub forms: Vec<Email>,
}

impl GivenAddress {
    /// `None` if no account can have this address.
    pub fn parse(text: &str) -> Option<Self> {
        let (parsed, earlier) = (Email::parse(text).ok(), earlier_form(text));
        let unicode = parsed.as_ref().and_then(Email::with_unicode_domain);
        let email = parsed.clone().or_else(|| earlier.clone())?;
        let mut forms = Vec::new();
        // The exact text comes first: if earlier versions created an account for each form, both can be found.
        for form in [earlier, parsed, unicode].into_iter().flatten() {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        Some(Self { email, forms })
    }
}

/// The form in which earlier versions stored an address: trimmed and lower-cased by the rules of Unicode. `None` for a
/// text with a letter that became ASCII by that, such as the Kelvin sign: its account is found by the ASCII letter
/// only.
fn earlier_form(text: &str) -> Option<Email> {
    let text = text.trim();
    let becomes_ascii = |letter: char| !letter.is_ascii() && letter.to_lowercase().any(|lower| lower.is_ascii());
    let possible = text.len() <= MAX_BYTES && text.contains('@') && !text.contains(becomes_ascii);
    possible.then(|| Email(text.to_lowercase()))
}

fn domain_in_ascii(domain: &str) -> Option<Cow<'_, str>> {
    let converted = to_ascii(domain)?;
    let stays = |label: &str| label.is_ascii() || to_ascii(label).is_some_and(|ascii| ascii.contains("xn--"));
    let labels_are_valid = domain.split('.').all(stays) && converted.split('.').all(|label| !label.is_empty());
    let is_domain = !converted.contains('@') && !converted.contains(char::is_whitespace);
    (labels_are_valid && is_domain).then_some(converted)
}

fn to_ascii(domain: &str) -> Option<Cow<'_, str>> {
    idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::EMPTY).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        for (text, form) in [
            ("  Ada@Example.ORG ", "ada@example.org"),
            ("ada+journal@localhost", "ada+journal@localhost"),
            ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
            ("ada@bu\u{308}cher.example", "ada@xn--bcher-kva.example"),
            ("ada@XN--bcher-KVA.example", "ada@xn--bcher-kva.example"),
            ("ada@bücher。example", "ada@xn--bcher-kva.example"),
            ("ada@straße.example", "ada@xn--strae-oqa.example"),
            ("ada@[127.0.0.1]", "ada@[127.0.0.1]"),
        ] {
            assert_eq!(Email::parse(text).unwrap().as_str(), form, "{text}");
            // The form is its own form.
            assert_eq!(Email::parse(form).unwrap().as_str(), form);
        }
        for bad in ["", "ada", "@x", "ada@", "a@b@c", "a b@c", "a\n@c", "a@b.", "a@b..c", "a@ b", "a@b＠c", "a@xn--ä"]
        {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
        assert!(Email::parse(&format!("{}@example.org", "a".repeat(250))).is_err());
    }

    #[test]
    fn letters_that_only_look_alike_are_not_the_same() {
        for bad in ["\u{212a}im@example.org", "İda@example.org", "ädä@example.org", "ｋim@example.org"] {
            assert_eq!(Email::parse(bad), Err(Flaw::NotAnEmail), "{bad}");
        }
        // UTS 46 would take these for kelvin.example and example.org.
        for bad in ["ada@\u{212a}elvin.example", "ada@ｅｘａｍｐｌｅ.org", "ada@example.ｏrg"] {
            assert_eq!(Email::parse(bad), Err(Flaw::NotAnEmail), "{bad}");
        }
        for text in ["\u{212a}im@example.org", "İda@example.org", "ada@\u{212a}elvin.example"] {
            assert_eq!(GivenAddress::parse(text), None, "{text}");
        }
        // A Cyrillic letter is another letter.
        assert_ne!(Email::parse("ada@exаmple.org").unwrap(), Email::parse("ada@example.org").unwrap());
    }

    #[test]
    fn hidden_characters_are_refused() {
        for hidden in ["\u{200b}", "\u{200d}", "\u{202e}", "\u{2066}", "\u{feff}", "\u{ad}", "\u{3164}", "\u{e0041}"] {
            for text in [format!("a{hidden}da@example.org"), format!("ada@exa{hidden}mple.org")] {
                assert_eq!(Email::parse(&text), Err(Flaw::HiddenCharacters), "{text:?}");
            }
        }
    }

    #[test]
    fn earlier_forms_are_still_found() {
        let forms = |text| GivenAddress::parse(text).unwrap().forms;
        let found = |text, stored: &str| forms(text).contains(&Email::from_stored(stored.into()));
        assert_eq!(forms("ADA@example.org").len(), 1);
        assert!(found("ADA@Bücher.example", "ada@bücher.example"));
        assert!(found("ada@bücher.example", "ada@xn--bcher-kva.example"));
        assert!(found("ada@xn--bcher-kva.example", "ada@bücher.example"));
        assert!(found("Ädä@example.org", "ädä@example.org"));
        assert!(found("a\u{200b}da@example.org", "a\u{200b}da@example.org"));
        assert!(found("ada@example.org.", "ada@example.org."));
        // With one account for each form, the text itself decides.
        assert_eq!(forms("ada@bücher.example")[0].as_str(), "ada@bücher.example");
        assert_eq!(forms("ada@xn--bcher-kva.example")[0].as_str(), "ada@xn--bcher-kva.example");
        let counted = |text| GivenAddress::parse(text).unwrap().email;
        assert_eq!(counted("ada@bücher.example"), counted("ADA@xn--bcher-kva.example"));
        for nothing in ["", "ada", &format!("{}@example.org", "a".repeat(300))] {
            assert_eq!(GivenAddress::parse(nothing), None, "{nothing}");
        }
    }
}
