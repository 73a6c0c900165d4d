//! Everybody's accounts, for superusers. What people have written is not among it.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use sotto_domain::account::{self, AccountPatch, Administered, Email, NewUser, Password, UserQuery};
use sotto_domain::text::{self, Check};
use sotto_domain::{UserId, Zone};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Superuser;
use crate::error::{ApiError, Code};
use crate::extract::{self, Id, Query, present};
use crate::handlers::page::Page;
use crate::handlers::users::AccountResponse;
use crate::handlers::{Message, message};

/// Which accounts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsersParams {
    /// Accounts on the page; 100 if absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// From the `Link` header of the page before.
    cursor: Option<String>,
    /// With this in their address or name.
    #[param(min_length = 1, max_length = 254)]
    q: Option<String>,
}

/// The accounts on this server, in the order of their addresses.
#[utoipa::path(get, path = "/api/admin/users", tag = "operation", params(UsersParams), responses(
    (status = 200, body = Vec<AccountResponse>, headers(("link" = String, description = "The next page, if there is one: `<…>; rel=\"next\"`"))),
    (status = 403, description = "Not a superuser."),
))]
pub async fn list_users(
    State(app): State<App>,
    Superuser(signed_in): Superuser,
    Query(params): Query<UsersParams>,
) -> Result<(HeaderMap, Json<Vec<AccountResponse>>), ApiError> {
    let asks = signed_in.id();
    let search = params.q.as_deref().map(|q| text::line(q, 254)).transpose();
    let search = search.map_err(|flaw| ApiError::invalid("query", "q", &flaw))?;
    let filters = [("q", params.q.as_deref())];
    let page = Page::parse(&app, asks, "/api/admin/users", &filters, params.limit, params.cursor.as_deref())?;
    let query = UserQuery { search, after: page.after.clone(), limit: page.rows() };
    let mut users = app.storage.users().list(&query).await?;
    let headers = page.cut(&app, asks, &mut users, |user| user.email.clone());
    Ok((headers, Json(users.into_iter().map(AccountResponse::from).collect())))
}

/// An account for somebody else.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountCreate {
    /// What to sign in with.
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// At least 8 characters. Without one, they can sign in through an identity provider that vouches for the address.
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    password: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    full_name: Option<String>,
    #[serde(default)]
    is_superuser: bool,
    /// An IANA time zone. `UTC` if absent.
    time_zone: Option<String>,
}

/// Make an account, also where sign-up is closed.
#[utoipa::path(post, path = "/api/admin/users", tag = "operation", request_body = AccountCreate, responses(
    (status = 201, body = AccountResponse),
    (status = 403, description = "Not a superuser."),
    (status = 409, description = "The address has an account."),
))]
pub async fn create_user(
    State(app): State<App>,
    Superuser(signed_in): Superuser,
    extract::Json(request): extract::Json<AccountCreate>,
) -> Result<(StatusCode, Json<AccountResponse>), ApiError> {
    let mut check = Check::default();
    let email = check.take("email", Email::parse(&request.email));
    let password = request.password.and_then(|password| check.take("password", Password::parse(password)));
    let full_name = request.full_name.and_then(|name| check.take("full_name", account::full_name(&name)));
    let time_zone = request.time_zone.map_or(Some(Zone::utc()), |name| check.take("time_zone", account::zone(&name)));
    let (email, time_zone) = check.finish((|| Some((email?, time_zone?)))())?;
    let password_hash = hash(&app, password).await?;
    let id = UserId::new(app.clock.as_ref(), app.random.as_ref());
    let new = NewUser { id, email, password_hash, full_name, is_superuser: request.is_superuser, time_zone };
    let user = app.storage.users().create(&new, app.now()).await?;
    tracing::info!(by = %signed_in.id(), user = %user.id, superuser = user.is_superuser, "a superuser made an account");
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// What to change; a field that is absent stays, null clears it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountUpdate {
    /// Whether they may sign in. Who is deactivated is out within 5 seconds; what they wrote stays.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    is_active: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    is_superuser: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 200)]
    full_name: Option<Option<String>>,
    /// A new password, which ends all of their logins.
    #[serde(default, deserialize_with = "present")]
    #[schema(format = Password, min_length = 8, max_length = 1024, nullable = false)]
    password: Option<String>,
}

/// Change somebody's account.
#[utoipa::path(put, path = "/api/admin/users/{user_id}", tag = "operation",
    params(("user_id" = Uuid, Path)),
    request_body = AccountUpdate,
    responses(
        (status = 200, body = AccountResponse),
        (status = 403, description = "Not a superuser."),
        (status = 404, description = "No such user."),
        (status = 409, description = "They are the only active superuser."),
    )
)]
pub async fn update_user(
    State(app): State<App>,
    Superuser(signed_in): Superuser,
    Id(id): Id,
    extract::Json(request): extract::Json<AccountUpdate>,
) -> Result<Json<AccountResponse>, ApiError> {
    let mut check = Check::default();
    let given = request.full_name;
    let full_name = given.map(|name| name.and_then(|name| check.take("full_name", account::full_name(&name))));
    let password = request.password.and_then(|password| check.take("password", Password::parse(password)));
    check.finish(Some(()))?;
    let (is_active, is_superuser) = (request.is_active, request.is_superuser);
    let patch = AccountPatch { is_active, is_superuser, full_name, password_hash: hash(&app, password).await? };
    let outcome = app.storage.users().administer(UserId(id), &patch, app.now()).await?;
    let user = settled(&app, outcome, NOT_FOUND)?;
    tracing::info!(by = %signed_in.id(), user = %id, ?is_active, ?is_superuser, "a superuser changed an account");
    Ok(Json(user.into()))
}

/// Delete somebody's account, and all that is theirs.
#[utoipa::path(delete, path = "/api/admin/users/{user_id}", tag = "operation",
    params(("user_id" = Uuid, Path)),
    responses(
        (status = 200, body = Message),
        (status = 403, description = "Not a superuser."),
        (status = 404, description = "No such user."),
        (status = 409, description = "They are the only active superuser."),
    )
)]
pub async fn delete_user(
    State(app): State<App>,
    Superuser(signed_in): Superuser,
    Id(id): Id,
) -> Result<Json<Message>, ApiError> {
    settled(&app, app.storage.users().delete(UserId(id)).await?, NOT_FOUND)?;
    app.recordings.forget(UserId(id)).await;
    tracing::info!(by = %signed_in.id(), user = %id, "a superuser deleted an account");
    Ok(message("User deleted successfully"))
}

/// What came of changing or deleting an account. If it is done, this node asks anew who may do what; the others do within
/// [`crate::config::STANDING_SECONDS`].
pub fn settled<T>(app: &App, outcome: Administered<T>, missing: ApiError) -> Result<T, ApiError> {
    match outcome {
        Administered::Done(done) => {
            // Their logins and tokens are in these caches under names that only storage knows; forget all.
            app.standings.invalidate_all();
            app.token_standings.invalidate_all();
            Ok(done)
        }
        Administered::Missing => Err(missing),
        Administered::LastSuperuser => Err(LAST_SUPERUSER),
    }
}

const NOT_FOUND: ApiError = ApiError::NotFound(Code::NotFound, "User not found");
const LAST_SUPERUSER: ApiError = ApiError::Conflict(
    Code::LastSuperuser,
    "This is the only active superuser of this server: make another account a superuser first.",
    None,
);

async fn hash(app: &App, password: Option<Password>) -> Result<Option<account::PasswordHash>, ApiError> {
    match password {
        Some(password) => app.hasher.hash(password).await.map(Some),
        None => Ok(None),
    }
}
