//! What a client needs to know about this server before signing in.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::oidc::ProviderSettings;
use crate::auth::registration;
use crate::config::Registration;
use crate::http::error::ApiError;

/// The server and its ways to sign in.
#[derive(Serialize, ToSchema)]
pub struct ServerResponse {
    version: &'static str,
    /// Who may sign up. `first`: everybody, until there is an account.
    registration: Registration,
    /// Whether there is no account yet, and the first one can be created by signing up.
    first_account: bool,
    /// Identity providers for sign-in.
    providers: Vec<ProviderResponse>,
    /// The longest recording, in bytes.
    audio_limit_bytes: u32,
}

/// An identity provider.
#[derive(Serialize, ToSchema)]
pub struct ProviderResponse {
    /// The id in addresses.
    id: String,
    /// The label of the sign-in button.
    name: String,
}

impl From<&ProviderSettings> for ProviderResponse {
    fn from(provider: &ProviderSettings) -> Self {
        Self { id: provider.id.clone(), name: provider.name.clone() }
    }
}

/// The server and its ways to sign in.
#[utoipa::path(get, path = "/api/server", tag = "operation", operation_id = "describe", responses(
    (status = 200, body = ServerResponse),
))]
pub async fn get(State(app): State<App>) -> Result<Json<ServerResponse>, ApiError> {
    Ok(Json(ServerResponse {
        version: env!("CARGO_PKG_VERSION"),
        registration: app.config.registration,
        first_account: registration::awaits_first_account(&app).await?,
        providers: app.providers.all().map(|provider| ProviderResponse::from(&provider.settings)).collect(),
        audio_limit_bytes: app.config.audio_limit,
    }))
}
