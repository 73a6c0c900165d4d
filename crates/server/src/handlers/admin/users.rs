//! All accounts, for superusers. What users have written is not part of them.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use sotto_domain::account::{self, AccountPatch, Email, NewUser, Owner, Password, User, UserQuery};
use sotto_domain::security_event::SecurityEventKind;
use sotto_domain::text::{self, Check};
use sotto_domain::{UserId, Zone};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::audit::{self, Event, Origin, Unstored};
use crate::auth::Superuser;
use crate::auth::addresses::expect_no_earlier_form;
use crate::handlers::users::account::{AccountResponse, finish_change};
use crate::handlers::{Message, message};
use crate::http::error::{ApiError, Code};
use crate::http::extract::{self, Id, Query, present};
use crate::http::idempotency::{CreateResponse, IdempotencyKey, IdempotentJson};
use crate::http::page::Page;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsersParams {
    /// Accounts per page; 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The cursor from the `Link` header of the previous page.
    cursor: Option<String>,
    /// A part of the address or name.
    #[param(min_length = 1, max_length = 254)]
    q: Option<String>,
}

/// The accounts on this server, sorted by address.
#[utoipa::path(get, path = "/api/admin/users", tag = "operation", operation_id = "list_users", params(UsersParams), responses(
    (status = 200, body = Vec<AccountResponse>, headers(("link" = String, description = "The next page, if there is one: `<…>; rel=\"next\"`"))),
    (status = 403, description = "Not a superuser."),
))]
pub async fn list(
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
    let headers = page.paginate(&app, asks, &mut users, |user| user.email.clone());
    Ok((headers, Json(users.into_iter().map(AccountResponse::from).collect())))
}

/// A new account for another user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountCreate {
    /// The address to sign in with.
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// At least 8 characters and at most 1,024 bytes; not one that is easy to guess, nor the address or the name.
    /// Without a password, the user can sign in with an identity provider that has verified the address.
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    password: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    full_name: Option<String>,
    #[serde(default)]
    is_superuser: bool,
    /// An IANA time zone; `UTC` by default.
    time_zone: Option<String>,
}

/// Create an account, even if sign-up is closed.
#[utoipa::path(post, path = "/api/admin/users", tag = "operation", operation_id = "create_user", params(IdempotencyKey), request_body = AccountCreate, responses(
    (status = 201, body = AccountResponse),
    (status = 403, description = "Not a superuser."),
    (status = 409, description = "The address already has an account."),
))]
pub async fn create(
    State(app): State<App>,
    origin: Origin,
    Superuser(signed_in): Superuser,
    IdempotentJson(request, idempotency): IdempotentJson<AccountCreate>,
) -> Result<CreateResponse<(StatusCode, Json<AccountResponse>)>, ApiError> {
    let (by, users) = (signed_in.id(), app.storage.users());
    let respond = |user: User| (StatusCode::CREATED, Json(user.into()));
    let make = async |key| {
        let new = new_account(&app, request).await?;
        expect_no_earlier_form(users, &new.email, None).await?;
        let user = users.create(&new, key, app.now()).await?;
        audit::record(&app, &origin, Event::unstored(Some(user.id), Unstored::AccountCreated).by(by)).await;
        if user.is_superuser {
            audit::record(&app, &origin, Event::of(user.id, SecurityEventKind::SuperuserGranted).by(by)).await;
        }
        Ok(respond(user))
    };
    idempotency.create(&app, by, make, async |id| Ok(users.get(UserId(id)).await?.map(respond))).await
}

async fn new_account(app: &App, request: AccountCreate) -> Result<NewUser, ApiError> {
    let mut check = Check::default();
    let email = check.accept("email", Email::parse(&request.email));
    let owner = Owner { email: &request.email, full_name: request.full_name.as_deref() };
    let password = request.password.as_deref().map(|password| Password::parse(password, owner));
    let password = password.and_then(|parsed| check.accept("password", parsed));
    let full_name = request.full_name.and_then(|name| check.accept("full_name", account::full_name(&name)));
    let time_zone = request.time_zone.map_or(Some(Zone::utc()), |name| check.accept("time_zone", account::zone(&name)));
    let (email, time_zone) = check.finish(email.zip(time_zone))?;
    let password_hash = hash(app, password).await?;
    let id = UserId::new(app.clock.as_ref(), app.random.as_ref());
    let is_superuser = request.is_superuser;
    // The superuser knows whose address it is.
    Ok(NewUser { id, email, email_verified: true, password_hash, full_name, is_superuser, time_zone })
}

/// The fields to change. An absent field stays as it is; null clears it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountUpdate {
    /// Whether the user may sign in. A deactivated user is signed out within 5 seconds, and keeps all data.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    is_active: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    is_superuser: Option<bool>,
    /// A new address. It is not verified unless `email_verified` is true.
    #[serde(default, deserialize_with = "present")]
    #[schema(format = Email, max_length = 254, nullable = false)]
    email: Option<String>,
    /// Whether the address is known to be the user's. Sign-in with a provider finds the account only by a verified
    /// address.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    email_verified: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 200)]
    full_name: Option<Option<String>>,
    /// A new password. It ends all sessions of the user.
    #[serde(default, deserialize_with = "present")]
    #[schema(format = Password, min_length = 8, max_length = 1024, nullable = false)]
    password: Option<String>,
}

/// Change an account.
#[utoipa::path(put, path = "/api/admin/users/{user_id}", tag = "operation", operation_id = "update_user",
    params(("user_id" = Uuid, Path)),
    request_body = AccountUpdate,
    responses(
        (status = 200, body = AccountResponse),
        (status = 403, description = "Not a superuser, or no recent sign-in."),
        (status = 404, description = "No such user."),
        (status = 409, description = "The account is the only active superuser, or the address already has an account."),
    )
)]
pub async fn update(
    State(app): State<App>,
    origin: Origin,
    Superuser(signed_in): Superuser,
    Id(id): Id,
    extract::Json(request): extract::Json<AccountUpdate>,
) -> Result<Json<AccountResponse>, ApiError> {
    let old = app.storage.users().get(UserId(id)).await?.ok_or(NOT_FOUND)?;
    let mut check = Check::default();
    // The password is compared with what the account will be like.
    let owner = Owner {
        email: request.email.as_deref().unwrap_or(old.email.as_str()),
        full_name: request.full_name.as_ref().map_or(old.full_name.as_deref(), |name| name.as_deref()),
    };
    let password = request.password.as_deref().map(|password| Password::parse(password, owner));
    let password = password.and_then(|parsed| check.accept("password", parsed));
    let given = request.full_name;
    let full_name = given.map(|name| name.and_then(|name| check.accept("full_name", account::full_name(&name))));
    let email = request.email.and_then(|email| check.accept("email", Email::parse(&email)));
    check.finish(Some(()))?;
    let (is_active, is_superuser, email_verified) = (request.is_active, request.is_superuser, request.email_verified);
    if let Some(email) = &email {
        expect_no_earlier_form(app.storage.users(), email, Some(UserId(id))).await?;
    }
    let password_hash = hash(&app, password).await?;
    let patch = AccountPatch { is_active, is_superuser, email, email_verified, full_name, password_hash };
    let outcome = app.storage.users().administer(UserId(id), &patch, app.now()).await?;
    let user = finish_change(&app, outcome, NOT_FOUND)?;
    for event in changes(&old, &user, &patch) {
        audit::record(&app, &origin, event.by(signed_in.id())).await;
    }
    Ok(Json(user.into()))
}

/// The events of a change that a superuser has made.
fn changes(before: &User, after: &User, patch: &AccountPatch) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    let mut of = |kind| events.push(Event::of(after.id, kind));
    match (before.is_active, after.is_active) {
        (true, false) => of(SecurityEventKind::AccountDeactivated),
        (false, true) => of(SecurityEventKind::AccountActivated),
        _ => {}
    }
    match (before.is_superuser, after.is_superuser) {
        (true, false) => of(SecurityEventKind::SuperuserRevoked),
        (false, true) => of(SecurityEventKind::SuperuserGranted),
        _ => {}
    }
    if before.email != after.email {
        of(SecurityEventKind::EmailChanged);
    }
    if after.email_verified_at.is_some() && (before.email_verified_at.is_none() || before.email != after.email) {
        of(SecurityEventKind::EmailVerified);
    }
    if patch.password_hash.is_some() {
        of(SecurityEventKind::PasswordResetByOperator);
    }
    if before.full_name != after.full_name {
        events.push(Event::unstored(Some(after.id), Unstored::AccountChanged));
    }
    events
}

/// Delete an account and all of its data.
#[utoipa::path(delete, path = "/api/admin/users/{user_id}", tag = "operation", operation_id = "delete_user",
    params(("user_id" = Uuid, Path)),
    responses(
        (status = 200, body = Message),
        (status = 403, description = "Not a superuser."),
        (status = 404, description = "No such user."),
        (status = 409, description = "The account is the only active superuser."),
    )
)]
pub async fn delete(
    State(app): State<App>,
    origin: Origin,
    Superuser(signed_in): Superuser,
    Id(id): Id,
) -> Result<Json<Message>, ApiError> {
    let user = app.storage.users().get(UserId(id)).await?.ok_or(NOT_FOUND)?;
    finish_change(&app, app.storage.users().delete(UserId(id)).await?, NOT_FOUND)?;
    app.attachments.delete_all(UserId(id)).await;
    let deleted = Event::unstored(Some(user.id), Unstored::AccountDeleted).by(signed_in.id());
    audit::record(&app, &origin, deleted.with_address(&user.email)).await;
    Ok(message("User deleted successfully"))
}

const NOT_FOUND: ApiError = ApiError::NotFound(Code::NotFound, "User not found");
async fn hash(app: &App, password: Option<Password>) -> Result<Option<account::PasswordHash>, ApiError> {
    match password {
        Some(password) => app.hasher.hash(password).await.map(Some),
        None => Ok(None),
    }
}
