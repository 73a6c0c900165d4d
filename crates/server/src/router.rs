//! Every route.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::handlers::admin::{database, users as accounts};
use crate::handlers::auth::{self, confirm, oidc};
use crate::handlers::journals::{self, calendar};
use crate::handlers::secret_tags::{self, phrase, recover, register, unlock};
use crate::handlers::users::{self, draft_key, password};
use crate::handlers::{
    activity, api_tokens, docs, export, health, identities, opaque_sessions, recordings, reminders, server, sessions,
    tags, web,
};
use crate::http::error::ApiError;
use crate::http::middleware::{DEADLINE, UPLOAD_DEADLINE, enforce_deadline, with_middleware};
use crate::openapi;

/// The complete server as a service.
pub fn router(app: &App) -> Router {
    let (api_routes, uploads, _) = api();
    let all = api_routes
        .route("/api/openapi.json", get(docs::specification))
        .route("/api/docs", get(docs::to_index))
        .route("/api/docs/", get(docs::index))
        .route("/api/docs/{*file}", get(docs::file))
        .fallback(get(web::file).fallback(web::not_found))
        .layer(from_fn_with_state(DEADLINE, enforce_deadline))
        .merge(uploads.layer(from_fn_with_state(UPLOAD_DEADLINE, enforce_deadline)))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .with_state(app.clone());
    with_middleware(all, app)
}

/// The routes in the specification, the upload routes (with a longer deadline), and the specification itself.
pub fn api() -> (Router<App>, Router<App>, OpenApi) {
    let (routes, mut specification) = OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(server::get))
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(confirm::confirm))
        .routes(routes!(oidc::start))
        .routes(routes!(oidc::finish))
        .routes(routes!(users::get, users::update, users::delete))
        .routes(routes!(draft_key::get))
        .routes(routes!(export::export))
        .routes(routes!(password::update))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::delete))
        .routes(routes!(activity::list))
        .routes(routes!(identities::list))
        .routes(routes!(identities::delete))
        .routes(routes!(api_tokens::list, api_tokens::create))
        .routes(routes!(api_tokens::delete))
        .routes(routes!(journals::list, journals::create))
        .routes(routes!(calendar::calendar))
        .routes(routes!(calendar::on_this_day))
        .routes(routes!(calendar::statistics))
        .routes(routes!(journals::get, journals::update, journals::delete))
        .routes(routes!(recordings::get, recordings::head, recordings::delete))
        .routes(routes!(tags::list, tags::create))
        .routes(routes!(tags::get, tags::update, tags::delete))
        .routes(routes!(reminders::list, reminders::create))
        .routes(routes!(reminders::preview))
        .routes(routes!(reminders::get, reminders::update, reminders::delete))
        .routes(routes!(secret_tags::list))
        .routes(routes!(secret_tags::update, secret_tags::delete))
        .routes(routes!(register::start))
        .routes(routes!(register::finish))
        .routes(routes!(unlock::start))
        .routes(routes!(unlock::finish))
        .routes(routes!(unlock::lock))
        .routes(routes!(unlock::lock_all))
        .routes(routes!(phrase::start))
        .routes(routes!(phrase::finish))
        .routes(routes!(recover::start))
        .routes(routes!(recover::finish))
        .routes(routes!(opaque_sessions::list))
        .routes(routes!(opaque_sessions::delete))
        .routes(routes!(database::get))
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(accounts::update, accounts::delete))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .split_for_parts();
    let (uploads, upload_specification) = OpenApiRouter::new().routes(routes!(recordings::put)).split_for_parts();
    specification.merge(upload_specification);
    (routes, uploads, openapi::complete(specification))
}
