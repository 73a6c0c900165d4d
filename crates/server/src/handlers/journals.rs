//! Journal entries.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use serde::Deserialize;
use sotto_domain::entry::{Created, Deleted, EntryQuery, TagFilter, Updated, search_words};
use sotto_domain::secret_tag::AnyEntry;
use sotto_domain::statistics::Statistics;
use sotto_domain::tag::TagName;
use sotto_domain::{EntryId, Flaw, SecretTagId, TagId};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::page::Page;
use super::{Message, message};
use crate::app::App;
use crate::auth::{Authorized, Caller, EntriesRead, EntriesWrite};
use crate::error::{ApiError, Code};
use crate::extract::{self, Id, Query};
use crate::unlocks::Unlocks;

mod body;
mod request;
mod sealed;

pub use body::EntryResponse;
use body::{DayResponse, StatisticsResponse};
use request::{Change, Create, EntryCreate, EntryUpdate};
pub use sealed::Holder;

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Entries on the page; 100 if absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// From the `Link` header of the page before.
    cursor: Option<String>,
    /// On this calendar day or later.
    #[param(format = Date)]
    from: Option<String>,
    /// On this calendar day or earlier.
    #[param(format = Date)]
    to: Option<String>,
    /// With this tag: its name or its id.
    tag: Option<String>,
    /// With words that begin like each of these, in title or text.
    q: Option<String>,
    /// Under this secret tag, which has to be open. It goes with `limit` and `cursor` only: what is sealed cannot be searched.
    secret_tag_id: Option<Uuid>,
    /// How much of each entry: with `summary`, `content` is cut after 280 characters, and `truncated` says so.
    #[param(inline)]
    view: Option<View>,
}

/// How much of each entry is listed.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum View {
    /// The beginning of its text.
    Summary,
}

/// Your entries, newest first.
///
/// A page whose entries are long ends before `limit`: whether there is more, `Link` says. Those under secret tags are listed for one open secret tag at a time.
#[utoipa::path(get, path = "/api/journals/", tag = "journals", security(("api_token" = ["entries:read"])), params(ListParams, Unlocks), responses(
    (status = 200, body = Vec<EntryResponse>, headers(("link" = String, description = "The next page, if there is one: `<…>; rel=\"next\"`"))),
    (status = 404, description = "The secret tag is locked, or there is none."),
))]
pub async fn list(
    State(app): State<App>,
    caller: Authorized<EntriesRead>,
    Query(params): Query<ListParams>,
    unlocks: Unlocks,
) -> Result<Response, ApiError> {
    let user = caller.id();
    if let Some(tag) = params.secret_tag_id {
        let holder = Holder { app: &app, caller: &caller, unlocks: &unlocks };
        return list_sealed(&holder, SecretTagId(tag), &params).await;
    }
    let filters = [
        ("from", params.from.as_deref()),
        ("to", params.to.as_deref()),
        ("tag", params.tag.as_deref()),
        ("q", params.q.as_deref()),
        ("view", params.view.map(|View::Summary| "summary")),
    ];
    let page = Page::parse(&app, user, "/api/journals/", &filters, params.limit, params.cursor.as_deref())?;
    let words = params.q.as_deref().map(search_words).unwrap_or_default();
    if params.q.is_some() && words.is_empty() {
        return Err(ApiError::invalid("query", "q", &Flaw::NoWords));
    }
    let query = EntryQuery {
        from: params.from.as_deref().map(|text| day("from", text)).transpose()?,
        to: params.to.as_deref().map(|text| day("to", text)).transpose()?,
        tag: params.tag.as_deref().map(tag_filter).transpose()?,
        words,
        after: page.after.map(|(instant, id)| (instant, EntryId(id))),
        // One more tells whether a text goes on.
        characters: params.view.map(|View::Summary| SUMMARY + 1),
        limit: page.rows(),
    };
    let mut entries = app.storage.entries().list(user, &query).await?;
    let length = entries.iter().map(|entry| entry.content.len()).sum();
    let headers = page.cut_texts(&app, user, &mut entries, length, |entry| (entry.entry_date, entry.id.0));
    let shown = |entry| match params.view {
        None => EntryResponse::from(entry),
        Some(View::Summary) => EntryResponse::summary(entry, SUMMARY as usize),
    };
    answer(headers, length + length / 16, entries.into_iter().map(shown).collect())
}

/// Characters of a text that a summary shows.
const SUMMARY: u32 = 280;

async fn list_sealed(holder: &Holder<'_>, tag: SecretTagId, params: &ListParams) -> Result<Response, ApiError> {
    let others = [
        ("from", params.from.is_some()),
        ("to", params.to.is_some()),
        ("tag", params.tag.is_some()),
        ("q", params.q.is_some()),
        ("view", params.view.is_some()),
    ];
    if let Some((name, _)) = others.into_iter().find(|(_, given)| *given) {
        let flaw =
            Flaw::Unexpected("must not come with secret_tag_id: what is sealed is searched and cut where it is opened");
        return Err(ApiError::invalid("query", name, &flaw));
    }
    let (app, user, id) = (holder.app, holder.caller.id(), tag.to_string());
    let filters = [("secret_tag_id", Some(id.as_str()))];
    let rows = Page::parse(app, user, "/api/journals/", &filters, params.limit, params.cursor.as_deref())?;
    let after = rows.after.map(|(instant, id)| (instant, EntryId(id)));
    let mut entries = holder.list(tag, after, rows.rows()).await?;
    let length = entries.iter().map(|entry| entry.sealed.encrypted_content.len()).sum();
    let headers = rows.cut_texts(app, user, &mut entries, length, |entry| (entry.entry_date, entry.id.0));
    answer(headers, length / 3 * 4, entries.into_iter().map(EntryResponse::from).collect())
}

/// A page is large: written into a buffer of about the right size, it is not copied while it grows.
fn answer(headers: HeaderMap, texts: usize, entries: Vec<EntryResponse>) -> Result<Response, ApiError> {
    let mut body = Vec::with_capacity(texts + 1024 * entries.len());
    serde_json::to_writer(&mut body, &entries).map_err(ApiError::internal)?;
    Ok((headers, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Write an entry.
///
/// With an `id` of your own it is safe to send it again: the same entry is answered with 200.
#[utoipa::path(post, path = "/api/journals/", tag = "journals", security(("api_token" = ["entries:write"])), params(Unlocks), request_body = EntryCreate, responses(
    (status = 201, body = EntryResponse, headers(
            ("etag" = String, description = "The revision, for `If-Match`"),
            ("location" = String, description = "Where the entry is"),
        )),
    (status = 200, description = "It had been stored already.", body = EntryResponse, headers(
            ("etag" = String, description = "The revision, for `If-Match`"),
            ("location" = String, description = "Where the entry is"),
        )),
    (status = 403, description = "The secret tag is locked, or there is none."),
    (status = 409, description = "Another entry has this id; if it is yours, and not locked away, it is in `current`."),
))]
pub async fn create(
    State(app): State<App>,
    caller: Authorized<EntriesWrite>,
    unlocks: Unlocks,
    extract::Json(request): extract::Json<EntryCreate>,
) -> Result<(StatusCode, HeaderMap, Json<EntryResponse>), ApiError> {
    let new = match request.parse(&app, caller.user())? {
        Create::Plain(new) => new,
        Create::Sealed(id, body) => {
            let holder = Holder { app: &app, caller: &caller, unlocks: &unlocks };
            let (status, entry) = holder.create(id, &body).await?;
            return Ok(located(status, entry));
        }
    };
    match app.storage.entries().create(caller.id(), &new, app.now()).await? {
        Created::Created(entry) => Ok(located(StatusCode::CREATED, entry)),
        Created::Exists(entry) if entry.is_retry_of(&new) => Ok(located(StatusCode::OK, entry)),
        Created::Exists(entry) => Err(clash(AnyEntry::Plain(entry))?),
        Created::IdTaken => Err(ID_TAKEN),
        Created::UnknownTag(tag) => Err(ApiError::unknown_tag(tag)),
    }
}

/// One of your entries.
///
/// One under a secret tag is there while that is open.
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
        return Ok(tagged(entry));
    }
    let holder = Holder { app: &app, caller: &caller, unlocks: &unlocks };
    holder.find(EntryId(id)).await?.map(tagged).ok_or(NOT_FOUND)
}

/// Change an entry.
///
/// With `If-Match` and the `ETag` that you last saw, nobody else's change is overwritten.
#[utoipa::path(put, path = "/api/journals/{entry_id}", tag = "journals", security(("api_token" = ["entries:write"])),
    params(
        ("entry_id" = Uuid, Path),
        ("if-match" = Option<String>, Header, description = "The ETag that you last saw", pattern = r#"^("[0-9]{1,9}"|\*)$"#),
        Unlocks,
    ),
    request_body = EntryUpdate,
    responses(
        (status = 200, body = EntryResponse, headers(("etag" = String, description = "The revision, for `If-Match`"))),
        (status = 403, description = "The secret tag is locked, or there is none."),
        (status = 404, description = "No such entry of yours."),
        (status = 412, description = "It has changed since; it is in `current`."),
        (status = 428, description = "What is sealed needs `If-Match`."),
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
    let holder = Holder { app: &app, caller: &caller, unlocks: &unlocks };
    let (patch, unseals) = match request.parse(&app)? {
        Change::Seal(change) => return holder.seal(id, change, expected).await.map(tagged),
        Change::Unseal(patch) => (patch, true),
        Change::Patch(patch) => (patch, false),
    };
    match app.storage.entries().update(caller.id(), id, &patch, expected, app.now()).await? {
        Updated::Updated(entry) => Ok(tagged(entry)),
        Updated::Missing if unseals => holder.unseal(id, patch, expected).await.map(tagged),
        Updated::Missing => Err(holder.refuse_patch(id).await?),
        Updated::Stale(entry) => Err(ApiError::PreconditionFailed(current(entry)?)),
        Updated::UnknownTag(tag) => Err(ApiError::unknown_tag(tag)),
    }
}

/// Delete an entry.
#[utoipa::path(delete, path = "/api/journals/{entry_id}", tag = "journals", security(("api_token" = ["entries:write"])),
    params(
        ("entry_id" = Uuid, Path),
        ("if-match" = Option<String>, Header, description = "The ETag that you last saw", pattern = r#"^("[0-9]{1,9}"|\*)$"#),
        Unlocks,
    ),
    responses(
        (status = 200, body = Message),
        (status = 404, description = "No such entry of yours."),
        (status = 412, description = "It has changed since; it is in `current`."),
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
    let recording = match app.storage.entries().delete(caller.id(), id, expected).await? {
        Deleted::Deleted(recording) => recording,
        Deleted::Missing => Holder { app: &app, caller: &caller, unlocks: &unlocks }.delete(id, expected).await?,
        Deleted::Stale(entry) => return Err(ApiError::PreconditionFailed(current(entry)?)),
    };
    if let Some(recording) = recording {
        app.recordings.discard(caller.id(), recording).await;
    }
    Ok(message("Journal entry deleted successfully"))
}

/// Which days.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CalendarParams {
    /// The first day; January 1st of this year if absent.
    #[param(format = Date)]
    from: Option<String>,
    /// The last day; December 31st of this year if absent.
    #[param(format = Date)]
    to: Option<String>,
}

/// The days that have entries, in ascending order.
///
/// For a calendar or a heat map.
#[utoipa::path(get, path = "/api/journals/calendar", tag = "journals", security(("api_token" = ["entries:read"])), params(CalendarParams), responses(
    (status = 200, body = Vec<DayResponse>),
))]
pub async fn calendar(
    State(app): State<App>,
    caller: Authorized<EntriesRead>,
    Query(params): Query<CalendarParams>,
) -> Result<Json<Vec<DayResponse>>, ApiError> {
    let today = today(&app, &caller);
    let bound = |name, given: Option<String>, default: Date| given.map_or(Ok(default), |text| day(name, &text));
    let from = bound("from", params.from, today.first_of_year())?;
    let to = bound("to", params.to, today.last_of_year())?;
    let days = app.storage.entries().days(caller.id(), from, to).await?;
    Ok(Json(days.into_iter().map(DayResponse::from).collect()))
}

/// Which day.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DayParams {
    /// The day whose anniversaries are asked for; today, where you are, if absent.
    #[param(format = Date)]
    date: Option<String>,
}

/// How far back "on this day" looks, in years.
const YEARS: i16 = 150;
/// Entries that "on this day" shows, at most.
const ANNIVERSARIES: u32 = 100;

/// Your entries of this day in earlier years, newest first.
///
/// The 29th of February is shown on the 28th where a year has none.
#[utoipa::path(get, path = "/api/journals/on-this-day", tag = "journals", security(("api_token" = ["entries:read"])), params(DayParams), responses(
    (status = 200, body = Vec<EntryResponse>),
))]
pub async fn on_this_day(
    State(app): State<App>,
    caller: Authorized<EntriesRead>,
    Query(params): Query<DayParams>,
) -> Result<Json<Vec<EntryResponse>>, ApiError> {
    let date = params.date.map_or_else(|| Ok(today(&app, &caller)), |text| day("date", &text))?;
    let eve_of_leap_day = date.month() == 2 && date.day() == 28 && !date.in_leap_year();
    let days: Vec<Date> = (1..=YEARS)
        .flat_map(|years| {
            let year = date.year() - years;
            let same = Date::new(year, date.month(), date.day()).ok();
            let leap = Date::new(year, 2, 29).ok().filter(|_| eve_of_leap_day);
            [leap, same].into_iter().flatten()
        })
        .filter(|day| day.year() >= 1)
        .collect();
    let entries = app.storage.entries().on_days(caller.id(), &days, ANNIVERSARIES).await?;
    Ok(Json(entries.into_iter().map(EntryResponse::from).collect()))
}

/// Totals and streaks over your whole journal.
#[utoipa::path(get, path = "/api/journals/stats", tag = "journals", security(("api_token" = ["entries:read"])), responses(
    (status = 200, body = StatisticsResponse),
))]
pub async fn statistics(
    State(app): State<App>,
    caller: Authorized<EntriesRead>,
) -> Result<Json<StatisticsResponse>, ApiError> {
    let (first, last) = (Date::constant(1, 1, 1), Date::constant(9999, 12, 31));
    let days = app.storage.entries().days(caller.id(), first, last).await?;
    Ok(Json(Statistics::of(&days, today(&app, &caller)).into()))
}

/// Also for an entry under a locked secret tag.
pub const NOT_FOUND: ApiError = ApiError::NotFound(Code::NotFound, "Journal entry not found");
/// Also for an entry under a locked secret tag, which must not be told from somebody else's.
const ID_TAKEN: ApiError = ApiError::Conflict(Code::IdTaken, "This id is taken; make a new one.", None);

fn today(app: &App, caller: &Caller) -> Date {
    app.now().day_in(&caller.user().time_zone)
}

fn day(field: &str, text: &str) -> Result<Date, ApiError> {
    let date: Option<Date> = text.parse().ok().filter(|date: &Date| text.len() == 10 && date.year() >= 1);
    date.ok_or_else(|| ApiError::invalid("query", field, &Flaw::NotADay))
}

fn tag_filter(text: &str) -> Result<TagFilter, ApiError> {
    if let Some(id) = Uuid::try_parse(text).ok().filter(|_| text.len() == 36) {
        return Ok(TagFilter::Id(TagId(id)));
    }
    let name = TagName::parse(text).map_err(|flaw| ApiError::invalid("query", "tag", &flaw))?;
    Ok(TagFilter::Key(name.key()))
}

/// The revision that `If-Match` (RFC 9110, section 13.1.1) asks for; `*` and no header ask for none.
fn expected_revision(headers: &HeaderMap) -> Result<Option<u32>, ApiError> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let revision = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
    revision.map(Some).ok_or_else(|| ApiError::invalid("header", "if-match", &Flaw::NotAnEtag))
}

fn tagged(entry: impl Into<EntryResponse>) -> (HeaderMap, Json<EntryResponse>) {
    let entry = entry.into();
    let mut headers = HeaderMap::new();
    headers.extend(HeaderValue::try_from(format!("\"{}\"", entry.revision)).ok().map(|etag| (header::ETAG, etag)));
    (headers, Json(entry))
}

fn located(status: StatusCode, entry: impl Into<EntryResponse>) -> (StatusCode, HeaderMap, Json<EntryResponse>) {
    let entry = entry.into();
    let location = HeaderValue::try_from(format!("/api/journals/{}", entry.id));
    let (mut headers, body) = tagged(entry);
    headers.extend(location.ok().map(|location| (header::LOCATION, location)));
    (status, headers, body)
}

/// A create that clashes with an entry that the caller may see.
fn clash(entry: AnyEntry) -> Result<ApiError, ApiError> {
    let detail = "You have another entry with this id; `current` is how it is stored.";
    Ok(ApiError::Conflict(Code::IdTaken, detail, Some(current(entry)?)))
}

fn current(entry: impl Into<EntryResponse>) -> Result<Box<serde_json::Value>, ApiError> {
    serde_json::to_value(entry.into()).map(Box::new).map_err(ApiError::internal)
}
