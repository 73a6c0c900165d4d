//! Sign-in with OpenID Connect providers: the authorization code flow with PKCE. `docs/sign-in.md` describes the setup.
//!
//! [`provider`] talks to one provider, [`handshake`] is the state that the browser keeps, and [`failure`] lists what
//! can go wrong.

mod failure;
mod handshake;
mod http_client;
mod provider;
mod settings;

use openidconnect::RedirectUrl;

pub use failure::Failure;
pub use handshake::{Handshake, Purpose, Sealer};
pub use provider::{Provider, ProviderUser};
pub use settings::ProviderSettings;

use crate::config::Config;

/// The providers that are set up.
pub struct Providers {
    providers: Vec<Provider>,
    pub sealer: Sealer,
}

impl Providers {
    /// From the settings. A provider is contacted when a user first signs in with it.
    pub fn new(config: &Config, key: &[u8; 32]) -> Self {
        let provider = |settings: &ProviderSettings| {
            let url = config.public_url.as_deref().unwrap_or_default();
            let redirect = RedirectUrl::new(format!("{url}/api/auth/oidc/{}/callback", settings.id));
            // The command line refuses providers without a public address.
            redirect.ok().map(|redirect| Provider::new(settings.clone(), redirect))
        };
        Self { providers: config.providers.iter().filter_map(provider).collect(), sealer: Sealer::new(key) }
    }

    pub fn get(&self, id: &str) -> Result<&Provider, Failure> {
        self.all().find(|provider| provider.settings.id == id).ok_or(Failure::UnknownProvider)
    }

    /// In the order of the settings.
    pub fn all(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter()
    }
}
