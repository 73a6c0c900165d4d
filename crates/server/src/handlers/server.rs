//! What a client has to know of this server before anybody has signed in.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::config::Registration;
use crate::oidc::ProviderSettings;

/// What this server is, and how one gets in.
#[derive(Serialize, ToSchema)]
pub struct ServerResponse {
    version: &'static str,
    /// Who may sign up.
    registration: Registration,
    /// Where people may sign in without a password.
    providers: Vec<ProviderResponse>,
    /// The longest recording that is taken, in bytes.
    audio_limit_bytes: u32,
}

/// An identity provider.
#[derive(Serialize, ToSchema)]
pub struct ProviderResponse {
    /// As it stands in addresses.
    id: String,
    /// As it is shown to people.
    name: String,
}

impl From<&ProviderSettings> for ProviderResponse {
    fn from(provider: &ProviderSettings) -> Self {
        Self { id: provider.id.clone(), name: provider.name.clone() }
    }
}

/// What this server is, and how one gets in.
#[utoipa::path(get, path = "/api/server", tag = "operation", responses(
    (status = 200, body = ServerResponse),
))]
pub async fn describe(State(app): State<App>) -> Json<ServerResponse> {
    Json(ServerResponse {
        version: env!("CARGO_PKG_VERSION"),
        registration: app.config.registration,
        providers: app.providers.all().map(|provider| ProviderResponse::from(&provider.settings)).collect(),
        audio_limit_bytes: app.config.audio_limit,
    })
}
