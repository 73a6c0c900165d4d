//! Sign-in with providers of OpenID Connect: the authorization code flow with PKCE.
//!
//! [`provider`] speaks with one provider, [`handshake`] is what the browser keeps while its person is away there, and
//! [`failure`] is every way in which it can end badly. `docs/sign-in.md` tells it to those who set it up.

mod failure;
mod handshake;
mod http;
mod provider;
mod settings;

use openidconnect::RedirectUrl;

pub use failure::Failure;
pub use handshake::{Handshake, Sealer};
pub use provider::{Person, Provider};
pub use settings::ProviderSettings;

use crate::config::Config;

/// Who people can sign in with.
pub struct Providers {
    providers: Vec<Provider>,
    /// Seals what the browser keeps.
    pub sealer: Sealer,
}

impl Providers {
    /// Those of the settings. None is spoken with before somebody wants to sign in.
    pub fn new(config: &Config, key: &[u8; 32]) -> Self {
        let provider = |settings: &ProviderSettings| {
            let url = config.public_url.as_deref().unwrap_or_default();
            let redirect = RedirectUrl::new(format!("{url}/api/auth/oidc/{}/callback", settings.id));
            // The command line has refused settings without an address.
            redirect.ok().map(|redirect| Provider::new(settings.clone(), redirect))
        };
        Self { providers: config.providers.iter().filter_map(provider).collect(), sealer: Sealer::new(key) }
    }

    /// The provider of this id.
    ///
    /// # Errors
    /// [`Failure::UnknownProvider`].
    pub fn get(&self, id: &str) -> Result<&Provider, Failure> {
        self.all().find(|provider| provider.settings.id == id).ok_or(Failure::UnknownProvider)
    }

    /// All of them, in the order of the settings.
    pub fn all(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter()
    }
}
