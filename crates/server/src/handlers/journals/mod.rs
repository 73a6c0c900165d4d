//! Your entries.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use sotto_domain::entry::{Created, Deleted, EntryQuery, TagFilter, Updated, search_words};
use sotto_domain::secret_tag::AnyEntry;
use sotto_domain::tag::TagName;
use sotto_domain::{EntryId, Flaw, SecretTagId, TagId};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Message, message};
use crate::app::App;
use crate::auth::unlock_tokens::Unlocks;
use crate::auth::{Authorized, EntriesRead, EntriesWrite};
use crate::http::error::{ApiError, Code};
use crate::http::extract::{self, Id, Query};
use crate::http::idempotency::{CreateResponse, IdempotencyKey, IdempotentJson};
use crate::http::large_json::large_json;
use crate::http::page::Page;

mod access;
pub mod calendar;
mod request;
mod response;

pub use access::EntryAccess;
use calendar::parse_day;
use request::{Change, Create, EntryCreate, EntryUpdate};
pub use response::EntryResponse;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Entries per page; 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The cursor from the `Link` header of the previous page.
    cursor: Option<String>,
    /// Entries of this calendar day or later.
    #[param(format = Date)]
    from: Option<String>,
    /// Entries of this calendar day or earlier.
    #[param(format = Date)]
    to: Option<String>,
    /// Entries with this tag, by name or id.
    tag: Option<String>,
    /// Entries with words that start like these, in title or text. At most 16 different words, 4 of them with a single
    /// character.
    q: Option<String>,
    /// Entries under this secret tag, which must be unlocked. It can be combined with `limit` and `cursor` only,
    /// because sealed entries cannot be searched.
    secret_tag_id: Option<Uuid>,
    /// How much of each entry is listed. `summary` cuts `content` after 280 characters and sets `truncated`.
    #[param(inline)]
    view: Option<View>,
}

/// How much of each entry is listed.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum View {
    /// The beginning of the text.
    Summary,
}

/// Your entries, newest first.
///
/// A page of long entries may end before `limit`; the `Link` header shows whether there is more. Entries under secret
/// tags are listed for one unlocked secret tag at a time.
#[utoipa::path(get, path = "/api/journals/", tag = "journals", security(("api_token" = ["entries:read"])), params(ListParams, Unlocks), responses(
    (status = 200, body = Vec<EntryResponse>, headers(("link" = String, description = "The next page, if there is one: `<…>; rel=\"next\"`"))),
    (status = 404, description = "The secret tag is locked or does not exist."),
))]
pub async fn list(
    State(app): State<App>,
    caller: Authorized<EntriesRead>,
    Query(params): Query<ListParams>,
    unlocks: Unlocks,
) -> Result<Response, ApiError> {
    let user = caller.id();
    if let Some(tag) = params.secret_tag_id {
        let access = EntryAccess { app: &app, caller: &caller, unlocks: &unlocks };
        return list_sealed(&access, SecretTagId(tag), &params).await;
    }
    let filters = [
        ("from", params.from.as_deref()),
        ("to", params.to.as_deref()),
        ("tag", params.tag.as_deref()),
        ("q", params.q.as_deref()),
        ("view", params.view.map(|View::Summary| "summary")),
    ];
    let page = Page::parse(&app, user, "/api/journals/", &filters, params.limit, params.cursor.as_deref())?;
    let words = params.q.as_deref().map(search_words).transpose();
    let words = words.map_err(|flaw| ApiError::invalid("query", "q", &flaw))?.unwrap_or_default();
    let query = EntryQuery {
        from: params.from.as_deref().map(|text| parse_day("from", text)).transpose()?,
        to: params.to.as_deref().map(|text| parse_day("to", text)).transpose()?,
        tag: params.tag.as_deref().map(tag_filter).transpose()?,
        words,
        after: page.after.map(|(instant, id)| (instant, EntryId(id))),
        // One more character shows whether the text is longer.
        characters: params.view.map(|View::Summary| SUMMARY + 1),
        limit: page.rows(),
    };
    let mut entries = app.storage.entries().list(user, &query).await?;
    let length = entries.iter().map(|entry| entry.body.content.len()).sum();
    let headers = page.paginate_texts(&app, user, &mut entries, length, |entry| (entry.body.date.moment, entry.id.0));
    let shown = |entry| match params.view {
        None => EntryResponse::from(entry),
        Some(View::Summary) => EntryResponse::summary(entry, SUMMARY as usize),
    };
    let entries = entries.into_iter().map(shown).collect::<Vec<_>>();
    large_json(&app, user, headers, length + length / 16 + 1024 * entries.len(), entries).await
}

/// Characters of the text in a summary.
const SUMMARY: u32 = 280;

async fn list_sealed(access: &EntryAccess<'_>, tag: SecretTagId, params: &ListParams) -> Result<Response, ApiError> {
    let others = [
        ("from", params.from.is_some()),
        ("to", params.to.is_some()),
        ("tag", params.tag.is_some()),
        ("q", params.q.is_some()),
        ("view", params.view.is_some()),
    ];
    if let Some((name, _)) = others.into_iter().find(|(_, given)| *given) {
        let flaw = Flaw::Unexpected(
            "must not come with secret_tag_id: sealed entries are searched and shortened by the client",
        );
        return Err(ApiError::invalid("query", name, &flaw));
    }
    let (app, user, id) = (access.app, access.caller.id(), tag.to_string());
    let filters = [("secret_tag_id", Some(id.as_str()))];
    let rows = Page::parse(app, user, "/api/journals/", &filters, params.limit, params.cursor.as_deref())?;
    let after = rows.after.map(|(instant, id)| (instant, EntryId(id)));
    let mut entries = access.list(tag, after, rows.rows()).await?;
    let length = entries.iter().map(|entry| entry.sealed.encrypted_content.len()).sum();
    let headers = rows.paginate_texts(app, user, &mut entries, length, |entry| (entry.date.moment, entry.id.0));
    let entries = entries.into_iter().map(EntryResponse::from).collect::<Vec<_>>();
    large_json(app, user, headers, length / 3 * 4 + 1024 * entries.len(), entries).await
}

/// Create an entry.
///
/// With an `id` of your own, the request can be repeated safely: a repeated request returns the same entry with status
/// 200. The same is true with an `Idempotency-Key`.
#[utoipa::path(post, path = "/api/journals/", tag = "journals", security(("api_token" = ["entries:write"])), params(IdempotencyKey, Unlocks), request_body = EntryCreate, responses(
    (status = 201, body = EntryResponse, headers(
            ("etag" = String, description = "The revision, for `If-Match`"),
            ("location" = String, description = "Where the entry is"),
        )),
    (status = 200, description = "The entry was already stored.", body = EntryResponse, headers(
            ("etag" = String, description = "The revision, for `If-Match`"),
            ("location" = String, description = "Where the entry is"),
        )),
    (status = 403, description = "The secret tag is locked or does not exist."),
    (status = 409, description = "Another entry has this id; `current` has it if you may read it."),
))]
pub async fn create(
    State(app): State<App>,
    caller: Authorized<EntriesWrite>,
    unlocks: Unlocks,
    IdempotentJson(request, idempotency): IdempotentJson<EntryCreate>,
) -> Result<CreateResponse<Located>, ApiError> {
    let (user, entries) = (caller.id(), app.storage.entries());
    let access = EntryAccess { app: &app, caller: &caller, unlocks: &unlocks };
    let under = request.secret_tag();
    let make = async |key| {
        let new = match request.parse(&app, caller.user())? {
            Create::Plain(new) => new,
            Create::Sealed(id, body) => {
                let (status, entry) = access.create(id, &body, key).await?;
                return Ok(with_location(status, entry));
            }
        };
        match entries.create(user, &new, key, app.now()).await? {
            Created::Created(entry) => Ok(with_location(StatusCode::CREATED, entry)),
            Created::Exists(entry) if entry.is_retry_of(&new) => Ok(with_location(StatusCode::OK, entry)),
            Created::Exists(entry) => Err(id_conflict(AnyEntry::Plain(entry))?),
            Created::IdTaken => Err(ID_TAKEN),
            Created::UnknownTag(tag) => Err(ApiError::unknown_tag(tag)),
        }
    };
    let find = async |id| {
        // As for the first request: a sealed entry requires its secret tag to be unlocked.
        if let Some(tag) = under {
            unlocks.require(&app, &caller, tag).await?;
        }
        if let Some(entry) = entries.get(user, EntryId(id)).await? {
            return Ok(Some(with_location(StatusCode::CREATED, entry)));
        }
        Ok(access.find(EntryId(id)).await?.map(|entry| with_location(StatusCode::CREATED, entry)))
    };
    idempotency.create(&app, user, make, find).await
}

/// One of your entries.
///
/// A sealed entry requires its secret tag to be unlocked.
#[utoipa::path(get, path = "/api/journals/{entry_id}", tag = "journals", security(("api_token" = ["entries:read"])), params(("entry_id" = Uuid, Path), Unlocks), responses(
    (status = 200, body = EntryResponse, headers(("etag" = String, description = "The revision, for `If-Match`"))),
    (status = 404, description = "No such entry of yours."),
))]
pub async fn get(
    State(app): State<App>,
    caller: Authorized<EntriesRead>,
    Id(id): Id,
    unlocks: Unlocks,
) -> Result<(HeaderMap, Json<EntryResponse>), ApiError> {
    if let Some(entry) = app.storage.entries().get(caller.id(), EntryId(id)).await? {
        return Ok(with_etag(entry));
    }
    let access = EntryAccess { app: &app, caller: &caller, unlocks: &unlocks };
    access.find(EntryId(id)).await?.map(with_etag).ok_or(NOT_FOUND)
}

/// Change an entry.
///
/// `If-Match` with the `ETag` that you last read prevents you from overwriting another change.
#[utoipa::path(put, path = "/api/journals/{entry_id}", tag = "journals", security(("api_token" = ["entries:write"])),
    params(
        ("entry_id" = Uuid, Path),
        ("if-match" = Option<String>, Header, description = "The ETag that you last read", pattern = r#"^("[0-9]{1,9}"|\*)$"#),
        Unlocks,
    ),
    request_body = EntryUpdate,
    responses(
        (status = 200, body = EntryResponse, headers(("etag" = String, description = "The revision, for `If-Match`"))),
        (status = 403, description = "The secret tag is locked or does not exist."),
        (status = 404, description = "No such entry of yours."),
        (status = 412, description = "The entry has changed; `current` has the new version."),
        (status = 428, description = "Sealing and unsealing need `If-Match`."),
    )
)]
pub async fn update(
    State(app): State<App>,
    caller: Authorized<EntriesWrite>,
    Id(id): Id,
    headers: HeaderMap,
    unlocks: Unlocks,
    extract::Json(request): extract::Json<EntryUpdate>,
) -> Result<(HeaderMap, Json<EntryResponse>), ApiError> {
    let (id, expected) = (EntryId(id), expected_revision(&headers)?);
    let access = EntryAccess { app: &app, caller: &caller, unlocks: &unlocks };
    let request = request.without_unknown_zone(&access, id).await?;
    let (patch, unseals) = match request.parse(&app)? {
        Change::Seal(change) => return access.seal(id, change, expected).await.map(with_etag),
        Change::Unseal(patch) => (patch, true),
        Change::Patch(patch) => (patch, false),
    };
    match app.storage.entries().update(caller.id(), id, &patch, expected, app.now()).await? {
        Updated::Updated(entry) => Ok(with_etag(entry)),
        Updated::Missing if unseals => access.unseal(id, patch, expected).await.map(with_etag),
        Updated::Missing => Err(access.refuse_patch(id).await?),
        Updated::Stale(entry) => Err(ApiError::PreconditionFailed(current_entry(entry)?)),
        Updated::UnknownTag(tag) => Err(ApiError::unknown_tag(tag)),
    }
}

/// Delete an entry.
#[utoipa::path(delete, path = "/api/journals/{entry_id}", tag = "journals", security(("api_token" = ["entries:write"])),
    params(
        ("entry_id" = Uuid, Path),
        ("if-match" = Option<String>, Header, description = "The ETag that you last read", pattern = r#"^("[0-9]{1,9}"|\*)$"#),
        Unlocks,
    ),
    responses(
        (status = 200, body = Message),
        (status = 404, description = "No such entry of yours."),
        (status = 412, description = "The entry has changed; `current` has the new version."),
    )
)]
pub async fn delete(
    State(app): State<App>,
    caller: Authorized<EntriesWrite>,
    Id(id): Id,
    headers: HeaderMap,
    unlocks: Unlocks,
) -> Result<Json<Message>, ApiError> {
    let (id, expected) = (EntryId(id), expected_revision(&headers)?);
    let freed = match app.storage.entries().delete(caller.id(), id, expected).await? {
        Deleted::Deleted(freed) => freed,
        Deleted::Missing => EntryAccess { app: &app, caller: &caller, unlocks: &unlocks }.delete(id, expected).await?,
        Deleted::Stale(entry) => return Err(ApiError::PreconditionFailed(current_entry(entry)?)),
    };
    app.attachments.free(caller.id(), &freed).await;
    Ok(message("Journal entry deleted successfully"))
}

/// Also for an entry under a locked secret tag.
pub const NOT_FOUND: ApiError = ApiError::NotFound(Code::NotFound, "Journal entry not found");
/// Also for an entry under a locked secret tag, which must look the same as another user's entry.
const ID_TAKEN: ApiError = ApiError::Conflict(Code::IdTaken, "This id is already used; choose another one.", None);

fn tag_filter(text: &str) -> Result<TagFilter, ApiError> {
    if let Some(id) = Uuid::try_parse(text).ok().filter(|_| text.len() == 36) {
        return Ok(TagFilter::Id(TagId(id)));
    }
    let name = TagName::parse(text).map_err(|flaw| ApiError::invalid("query", "tag", &flaw))?;
    Ok(TagFilter::Key(name.key()))
}

/// The revision in `If-Match` (RFC 9110, section 13.1.1). `None` for `*` and without the header.
fn expected_revision(headers: &HeaderMap) -> Result<Option<u32>, ApiError> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let revision = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
    revision.map(Some).ok_or_else(|| ApiError::invalid("header", "if-match", &Flaw::NotAnEtag))
}

fn with_etag(entry: impl Into<EntryResponse>) -> (HeaderMap, Json<EntryResponse>) {
    let entry = entry.into();
    let mut headers = HeaderMap::new();
    headers.extend(HeaderValue::try_from(format!("\"{}\"", entry.revision)).ok().map(|etag| (header::ETAG, etag)));
    (headers, Json(entry))
}

type Located = (StatusCode, HeaderMap, Json<EntryResponse>);

fn with_location(status: StatusCode, entry: impl Into<EntryResponse>) -> Located {
    let entry = entry.into();
    let location = HeaderValue::try_from(format!("/api/journals/{}", entry.id));
    let (mut headers, body) = with_etag(entry);
    headers.extend(location.ok().map(|location| (header::LOCATION, location)));
    (status, headers, body)
}

/// The error for a create whose id belongs to another entry that the caller may read.
fn id_conflict(entry: AnyEntry) -> Result<ApiError, ApiError> {
    let detail = "You have another entry with this id; `current` has it.";
    Ok(ApiError::Conflict(Code::IdTaken, detail, Some(current_entry(entry)?)))
}

fn current_entry(entry: impl Into<EntryResponse>) -> Result<Box<serde_json::Value>, ApiError> {
    serde_json::to_value(entry.into()).map(Box::new).map_err(ApiError::internal)
}
