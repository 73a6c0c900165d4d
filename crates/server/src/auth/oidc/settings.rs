//! The settings of a provider.

use std::fmt;

use openidconnect::url::Url;
use sotto_domain::text;

use super::http_client::is_confidential;

/// An OpenID Connect provider. `Debug` leaves the secret out.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// The id in addresses: 1 to 32 of `a`–`z`, `0`–`9` and `-`.
    pub id: String,
    /// The label of the sign-in button.
    pub name: String,
    /// The issuer, to which `/.well-known/openid-configuration` is appended (OpenID Connect Discovery 1.0, section 4).
    pub issuer: String,
    pub client_id: String,
    pub client_secret: String,
    /// The scopes requested in addition to `openid`.
    pub scopes: Vec<String>,
}

impl ProviderSettings {
    /// The scopes by default.
    pub const SCOPES: [&str; 2] = ["email", "profile"];

    /// Validates the settings.
    ///
    /// # Errors
    /// A sentence that names the wrong setting.
    pub fn check(self) -> Result<Self, String> {
        let id_is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=32).contains(&self.id.len()) || !self.id.bytes().all(id_is_plain) {
            return Err(format!("the id '{}' must be 1 to 32 of a-z, 0-9 and -", self.id));
        }
        let wrong = |what: &str, why: &str| Err(format!("{what} of the provider {} {why}", self.id));
        if let Err(why) = text::line(&self.name, 60) {
            return wrong("the name", &why.to_string());
        }
        if self.client_id.trim().is_empty() || self.client_secret.trim().is_empty() {
            return wrong(
                "the client_id and the client_secret",
                "must be set; the provider issues them when you register Sotto",
            );
        }
        match Url::parse(&self.issuer) {
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                wrong("the issuer", "must not have a ? or a #")
            }
            Ok(url) if is_confidential(&url) => Ok(self),
            _ => wrong("the issuer", "must be an https:// address; http:// is allowed for this machine only"),
        }
    }
}

impl fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, issuer, client_id, scopes, client_secret: _ } = self;
        f.debug_struct("ProviderSettings")
            .field("id", id)
            .field("name", name)
            .field("issuer", issuer)
            .field("client_id", client_id)
            .field("scopes", scopes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ProviderSettings {
        ProviderSettings {
            id: "keycloak".into(),
            name: "Our Keycloak".into(),
            issuer: "https://id.example.org/realms/home".into(),
            client_id: "sotto".into(),
            client_secret: "s3cret".into(),
            scopes: vec![],
        }
    }

    #[test]
    fn a_provider_is_contacted_only_over_https() {
        for good in ["https://id.example.org", "http://127.0.0.1:9000", "http://[::1]:9000/", "http://localhost/a"] {
            assert!(ProviderSettings { issuer: good.into(), ..settings() }.check().is_ok(), "{good}");
        }
        for bad in [
            "http://id.example.org",
            "id.example.org",
            "",
            "ftp://localhost",
            "https://id.example.org/?a",
            "https://a/#b",
            "http://127.0.0.1.example.org",
        ] {
            assert!(ProviderSettings { issuer: bad.into(), ..settings() }.check().is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_name_the_setting_and_not_the_secret() {
        let check = |settings: ProviderSettings| settings.check().unwrap_err();
        for id in ["", "Key Cloak", "a/b", &"x".repeat(33)] {
            assert!(check(ProviderSettings { id: id.into(), ..settings() }).contains("the id"), "{id}");
        }
        assert!(check(ProviderSettings { name: String::new(), ..settings() }).contains("the name"));
        assert!(check(ProviderSettings { client_secret: " ".into(), ..settings() }).contains("client_secret"));
        assert!(!format!("{:?}", settings()).contains("s3cret"));
    }
}
