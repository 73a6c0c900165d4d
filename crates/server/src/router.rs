//! Every route.

use axum::Router;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::error::ApiError;
use crate::handlers::admin::users as accounts;
use crate::handlers::secret_tags::{phrase, recover, register, unlock};
use crate::handlers::{
    admin, api_tokens, audio, auth, docs, export, health, identities, journals, oidc, opaque_sessions, reminders,
    secret_tags, server, tags, users, web,
};
use crate::middleware::layered;
use crate::openapi;

/// The whole server, ready for requests.
pub fn router(app: &App) -> Router {
    let (router, _) = api();
    let router = router
        .route("/api/openapi.json", get(docs::specification))
        .route("/api/docs", get(docs::to_index))
        .route("/api/docs/", get(docs::index))
        .route("/api/docs/{*file}", get(docs::file))
        .fallback(get(web::file).fallback(web::nothing))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .with_state(app.clone());
    layered(router, app)
}

/// The routes that the specification describes, and the specification.
pub fn api() -> (Router<App>, OpenApi) {
    let (router, specification) = OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(server::describe))
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(oidc::start_oidc))
        .routes(routes!(oidc::finish_oidc))
        .routes(routes!(users::get_me, users::update_me, users::delete_me))
        .routes(routes!(users::draft_key))
        .routes(routes!(export::export))
        .routes(routes!(users::set_password))
        .routes(routes!(users::list_sessions))
        .routes(routes!(users::end_session))
        .routes(routes!(identities::list_identities))
        .routes(routes!(identities::unlink_identity))
        .routes(routes!(api_tokens::list_tokens, api_tokens::create_token))
        .routes(routes!(api_tokens::delete_token))
        .routes(routes!(journals::list, journals::create))
        .routes(routes!(journals::calendar))
        .routes(routes!(journals::on_this_day))
        .routes(routes!(journals::statistics))
        .routes(routes!(journals::get, journals::update, journals::delete))
        .routes(routes!(audio::get_audio, audio::head_audio, audio::put_audio, audio::delete_audio))
        .routes(routes!(tags::list, tags::create))
        .routes(routes!(tags::get, tags::update, tags::delete))
        .routes(routes!(reminders::list, reminders::create))
        .routes(routes!(reminders::preview))
        .routes(routes!(reminders::get, reminders::update, reminders::delete))
        .routes(routes!(secret_tags::list))
        .routes(routes!(secret_tags::update, secret_tags::delete))
        .routes(routes!(register::register_start))
        .routes(routes!(register::register_finish))
        .routes(routes!(unlock::unlock_start))
        .routes(routes!(unlock::unlock_finish))
        .routes(routes!(unlock::lock))
        .routes(routes!(unlock::lock_all))
        .routes(routes!(phrase::phrase_start))
        .routes(routes!(phrase::phrase_finish))
        .routes(routes!(recover::recover_start))
        .routes(routes!(recover::recover_finish))
        .routes(routes!(opaque_sessions::list))
        .routes(routes!(opaque_sessions::end))
        .routes(routes!(admin::database))
        .routes(routes!(accounts::list_users, accounts::create_user))
        .routes(routes!(accounts::update_user, accounts::delete_user))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .split_for_parts();
    (router, openapi::complete(specification))
}
