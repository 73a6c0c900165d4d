//! Settings of OpenID Connect providers: one from flags or variables, any number from `[[oidc]]` in the settings file.

use clap::{Args, ValueEnum};
use serde::Deserialize;
use sotto_server::ProviderSettings;

use crate::error::{CliError, Result};

/// The settings of one provider.
#[derive(Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OidcSettings {
    /// A preset provider, which only needs oidc-client-id and oidc-client-secret
    #[arg(id = "oidc-preset", long, env = "SOTTO_OIDC_PRESET", value_name = "NAME")]
    preset: Option<Preset>,
    /// The id of the provider in URLs, such as keycloak; with an id from sotto.toml, the other settings complete that
    /// provider
    #[arg(id = "oidc-id", long, env = "SOTTO_OIDC_ID", value_name = "ID")]
    id: Option<String>,
    /// The name on the sign-in button [default: the id]
    #[arg(id = "oidc-name", long, env = "SOTTO_OIDC_NAME", value_name = "NAME")]
    name: Option<String>,
    /// The issuer URL, as in the provider's /.well-known/openid-configuration
    #[arg(id = "oidc-issuer", long, env = "SOTTO_OIDC_ISSUER", value_name = "URL")]
    issuer: Option<String>,
    /// The client id that the provider has given to this server
    #[arg(id = "oidc-client-id", long, env = "SOTTO_OIDC_CLIENT_ID", value_name = "ID")]
    client_id: Option<String>,
    /// The client secret that the provider has given to this server
    #[arg(
        id = "oidc-client-secret",
        long,
        env = "SOTTO_OIDC_CLIENT_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    client_secret: Option<String>,
    /// The scopes to request besides openid, separated by commas [default: email,profile]
    #[arg(id = "oidc-scopes", long, env = "SOTTO_OIDC_SCOPES", value_name = "SCOPES", value_delimiter = ',')]
    scopes: Option<Vec<String>>,
}

/// The providers with built-in settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Preset {
    /// Google
    Google,
}

impl std::fmt::Debug for OidcSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc").field("id", &self.id).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// The configured providers: those of the file, and the one from flags and variables, which completes a provider of the
/// file with the same id.
///
/// # Errors
/// If a setting is missing or invalid, or an id is used twice.
pub fn providers(
    given: OidcSettings,
    file: Vec<OidcSettings>,
    public_url: Option<&str>,
) -> Result<Vec<ProviderSettings>> {
    let mut all = file;
    if !given.is_empty() {
        let given = given.with_preset();
        match all.iter().position(|one| one.clone().with_preset().id == given.id) {
            Some(same) => all[same] = given.or(all[same].clone()),
            None => all.push(given),
        }
    }
    let mut providers: Vec<ProviderSettings> = Vec::new();
    for one in all {
        let provider = one.with_preset().check()?;
        if providers.iter().any(|other| other.id == provider.id) {
            return Err(refused(&format!("there are two providers with the id {}", provider.id)));
        }
        providers.push(provider);
    }
    if !providers.is_empty() && public_url.is_none() {
        return Err(refused("public_url must be set: providers redirect users to it"));
    }
    Ok(providers)
}

impl OidcSettings {
    fn is_empty(&self) -> bool {
        let Self { preset, id, name, issuer, client_id, client_secret, scopes } = self;
        preset.is_none()
            && [id, name, issuer, client_id, client_secret].into_iter().all(Option::is_none)
            && scopes.is_none()
    }

    fn or(self, other: Self) -> Self {
        Self {
            preset: self.preset.or(other.preset),
            id: self.id.or(other.id),
            name: self.name.or(other.name),
            issuer: self.issuer.or(other.issuer),
            client_id: self.client_id.or(other.client_id),
            client_secret: self.client_secret.or(other.client_secret),
            scopes: self.scopes.or(other.scopes),
        }
    }

    fn with_preset(self) -> Self {
        let text = |text: &str| Some(text.to_owned());
        match self.preset {
            Some(Preset::Google) => self.or(Self {
                id: text("google"),
                name: text("Google"),
                issuer: text(sotto_domain::identity::GOOGLE),
                ..Self::default()
            }),
            None => self,
        }
    }

    fn check(self) -> Result<ProviderSettings> {
        let id = self.id.ok_or_else(|| refused("a provider needs an id, such as keycloak, or a preset"))?;
        let need = |value: Option<String>, what: &str| {
            value.ok_or_else(|| refused(&format!("the provider {id} needs {what}")))
        };
        let settings = ProviderSettings {
            name: self.name.unwrap_or_else(|| id.clone()),
            issuer: need(self.issuer, "an issuer, its https:// address")?,
            client_id: need(self.client_id, "a client_id, which you get from it when you register Sotto")?,
            client_secret: need(self.client_secret, "a client_secret, which you get from it when you register Sotto")?,
            scopes: self.scopes.unwrap_or_else(|| ProviderSettings::SCOPES.map(str::to_owned).to_vec()),
            id,
        };
        settings.check().map_err(|why| refused(&why))
    }
}

fn refused(why: &str) -> CliError {
    CliError::Settings(format!("sign-in with a provider (oidc): {why}"))
}
