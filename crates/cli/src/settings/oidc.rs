//! Settings of the providers that people can sign in with: one by flags or variables, any number by `[[oidc]]` in the file.

use clap::{Args, ValueEnum};
use serde::Deserialize;
use sotto_server::ProviderSettings;

use crate::error::{CliError, Result};

/// One provider.
#[derive(Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Oidc {
    /// A provider that needs no more than oidc-client-id and oidc-client-secret
    #[arg(id = "oidc-preset", long, env = "SOTTO_OIDC_PRESET", value_name = "NAME")]
    preset: Option<Preset>,
    /// What a provider to sign in with is called in addresses, such as keycloak; one of sotto.toml is filled in
    #[arg(id = "oidc-id", long, env = "SOTTO_OIDC_ID", value_name = "ID")]
    id: Option<String>,
    /// What people read on its button [default: the id]
    #[arg(id = "oidc-name", long, env = "SOTTO_OIDC_NAME", value_name = "NAME")]
    name: Option<String>,
    /// Its address, as it stands in its /.well-known/openid-configuration
    #[arg(id = "oidc-issuer", long, env = "SOTTO_OIDC_ISSUER", value_name = "URL")]
    issuer: Option<String>,
    /// What it knows this server by
    #[arg(id = "oidc-client-id", long, env = "SOTTO_OIDC_CLIENT_ID", value_name = "ID")]
    client_id: Option<String>,
    /// What this server proves that with
    #[arg(
        id = "oidc-client-secret",
        long,
        env = "SOTTO_OIDC_CLIENT_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    client_secret: Option<String>,
    /// What it is asked for besides openid, separated by commas [default: email,profile]
    #[arg(id = "oidc-scopes", long, env = "SOTTO_OIDC_SCOPES", value_name = "SCOPES", value_delimiter = ',')]
    scopes: Option<Vec<String>>,
}

/// What is known of a provider beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Preset {
    /// Google.
    Google,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc").field("id", &self.id).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What the server needs to know: the providers of the file, and the one of the flags and variables, which fills in one of
/// the same id.
///
/// # Errors
/// If something is missing, wrong or there twice.
pub fn providers(given: Oidc, file: Vec<Oidc>, public_url: Option<&str>) -> Result<Vec<ProviderSettings>> {
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
            return Err(refused(&format!("there are two providers of the id {}", provider.id)));
        }
        providers.push(provider);
    }
    if !providers.is_empty() && public_url.is_none() {
        return Err(refused("public_url must be set: it is where providers send people back to"));
    }
    Ok(providers)
}

impl Oidc {
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
            client_id: need(self.client_id, "a client_id, which it hands out when you register Sotto")?,
            client_secret: need(self.client_secret, "a client_secret, which it hands out when you register Sotto")?,
            scopes: self.scopes.unwrap_or_else(|| ProviderSettings::SCOPES.map(str::to_owned).to_vec()),
            id,
        };
        settings.check().map_err(|why| refused(&why))
    }
}

fn refused(why: &str) -> CliError {
    CliError::Settings(format!("sign-in with a provider (oidc): {why}"))
}
