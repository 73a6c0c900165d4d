//! Reminders.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use sotto_domain::reminder::{self, Reminder, ReminderPlan, Schedule};
use sotto_domain::{ReminderId, Timestamp, UserId, Zone};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::page::{MAX_LIMIT, Page};
use super::tags::PageParams;
use super::{Message, message};
use crate::app::App;
use crate::auth::{Authorized, Caller, RemindersRead, RemindersWrite};
use crate::error::{ApiError, Code};
use crate::extract::{self, Id, Query, present};

/// The name of a frequency. Which there are is the domain's to know.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Frequency(String);

impl ToSchema for Frequency {}

impl PartialSchema for Frequency {
    fn schema() -> RefOr<Schema> {
        let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(reminder::Frequency::NAMES));
        names.description(Some("On which days a reminder is due.")).into()
    }
}

/// A reminder.
#[derive(Serialize, ToSchema)]
pub struct ReminderResponse {
    id: Uuid,
    user_id: Uuid,
    title: String,
    message: String,
    #[schema(value_type = Frequency)]
    frequency: &'static str,
    /// Its first day and its time of day, both in `time_zone`.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// An IANA time zone: the time of day holds there, across changes of summer time.
    time_zone: String,
    is_active: bool,
    /// Such as `mon,wed,fri`, with the frequency `custom`.
    custom_days: Option<String>,
    /// When it is due next; null while it is switched off.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_due_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Reminder> for ReminderResponse {
    fn from(reminder: Reminder) -> Self {
        let plan = reminder.plan;
        Self {
            id: reminder.id.0,
            user_id: reminder.user_id.0,
            title: plan.title,
            message: plan.message,
            frequency: plan.schedule.frequency.name(),
            time: plan.schedule.time,
            time_zone: plan.schedule.time_zone.name().to_owned(),
            is_active: plan.is_active,
            custom_days: plan.schedule.frequency.custom_days(),
            next_due_at: reminder.next_due_at,
            created_at: reminder.created_at,
            updated_at: reminder.updated_at,
        }
    }
}

/// A new reminder.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReminderCreate {
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    #[schema(max_length = 2000)]
    message: String,
    frequency: Frequency,
    /// Its first day and its time of day, both in `time_zone`.
    #[schema(format = DateTime)]
    time: String,
    /// An IANA time zone; yours if absent.
    time_zone: Option<String>,
    /// Whether it is switched on; true if absent.
    #[serde(default = "switched_on")]
    is_active: bool,
    /// Such as `mon,wed,fri`, with the frequency `custom` and only then.
    custom_days: Option<String>,
}

/// What to change; a field that is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReminderUpdate {
    #[serde(default, deserialize_with = "present")]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    title: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 2000, nullable = false)]
    message: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    frequency: Option<Frequency>,
    /// Its first day and its time of day, both in `time_zone`.
    #[serde(default, deserialize_with = "present")]
    #[schema(format = DateTime, nullable = false)]
    time: Option<String>,
    /// An IANA time zone.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    time_zone: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    is_active: Option<bool>,
    /// Such as `mon,wed,fri`. They go by themselves when the frequency changes to another than `custom`.
    #[serde(default, deserialize_with = "present")]
    custom_days: Option<Option<String>>,
}

impl ReminderUpdate {
    fn apply(&self, plan: ReminderPlan) -> Result<ReminderPlan, ApiError> {
        let schedule = plan.schedule;
        let frequency = self.frequency.as_ref().map_or(schedule.frequency.name(), |frequency| &frequency.0);
        let kept = (frequency == "custom").then(|| schedule.frequency.custom_days()).flatten();
        let custom_days = self.custom_days.clone().unwrap_or(kept);
        let time = self.time.clone().unwrap_or_else(|| schedule.time.to_string());
        Ok(ReminderPlan::parse(
            self.title.as_deref().unwrap_or(&plan.title),
            self.message.clone().unwrap_or(plan.message),
            frequency,
            custom_days.as_deref(),
            &time,
            self.time_zone.as_deref().map_or(Ok(schedule.time_zone), Err),
            self.is_active.unwrap_or(plan.is_active),
        )?)
    }
}

/// Your reminders, in the order in which they were made.
#[utoipa::path(get, path = "/api/reminders/", tag = "reminders", security(("api_token" = ["reminders:read"])), params(PageParams), responses(
    (status = 200, body = Vec<ReminderResponse>, headers(("link" = String, description = "The next page, if there is one: `<…>; rel=\"next\"`"))),
))]
pub async fn list(
    State(app): State<App>,
    caller: Authorized<RemindersRead>,
    Query(params): Query<PageParams>,
) -> Result<(HeaderMap, Json<Vec<ReminderResponse>>), ApiError> {
    let user = caller.id();
    let page = Page::parse(&app, user, "/api/reminders/", &[], params.limit, params.cursor.as_deref())?;
    let mut reminders = app.storage.reminders().list(user, page.after, page.rows()).await?;
    let headers = page.cut(&app, user, &mut reminders, |reminder| (reminder.created_at, reminder.id.0));
    Ok((headers, Json(reminders.into_iter().map(ReminderResponse::from).collect())))
}

/// Set a reminder.
#[utoipa::path(post, path = "/api/reminders/", tag = "reminders", security(("api_token" = ["reminders:write"])), request_body = ReminderCreate, responses(
    (status = 201, body = ReminderResponse),
))]
pub async fn create(
    State(app): State<App>,
    caller: Authorized<RemindersWrite>,
    extract::Json(request): extract::Json<ReminderCreate>,
) -> Result<(StatusCode, Json<ReminderResponse>), ApiError> {
    let plan = ReminderPlan::parse(
        &request.title,
        request.message,
        &request.frequency.0,
        request.custom_days.as_deref(),
        &request.time,
        zone_or_own(request.time_zone.as_deref(), &caller),
        request.is_active,
    )?;
    let id = ReminderId::new(app.clock.as_ref(), app.random.as_ref());
    let reminder = app.storage.reminders().create(caller.id(), id, &plan, app.now()).await?;
    Ok((StatusCode::CREATED, Json(reminder.into())))
}

/// When a reminder would be due.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReminderPreview {
    frequency: Frequency,
    /// Its first day and its time of day, both in `time_zone`.
    #[schema(format = DateTime)]
    time: String,
    /// An IANA time zone; yours if absent.
    time_zone: Option<String>,
    /// Such as `mon,wed,fri`, with the frequency `custom` and only then.
    custom_days: Option<String>,
}

/// The next times of a reminder that need not exist.
#[derive(Serialize, ToSchema)]
pub struct ReminderTimes {
    /// In order; fewer than five at the end of the year 9999.
    #[schema(value_type = Vec<String>, max_items = 5)]
    times: Vec<Timestamp>,
}

/// Times that a preview shows, at most.
const PREVIEWED: usize = 5;

/// The next five times at which such a reminder would be due.
///
/// Nothing is stored.
#[utoipa::path(post, path = "/api/reminders/preview", tag = "reminders", security(("api_token" = ["reminders:read"])), request_body = ReminderPreview, responses(
    (status = 200, body = ReminderTimes),
))]
pub async fn preview(
    State(app): State<App>,
    caller: Authorized<RemindersRead>,
    extract::Json(request): extract::Json<ReminderPreview>,
) -> Result<Json<ReminderTimes>, ApiError> {
    let zone = zone_or_own(request.time_zone.as_deref(), &caller);
    let schedule = Schedule::parse(&request.frequency.0, request.custom_days.as_deref(), &request.time, zone)?;
    Ok(Json(ReminderTimes { times: schedule.after(app.now()).take(PREVIEWED).collect() }))
}

/// One of your reminders.
#[utoipa::path(get, path = "/api/reminders/{reminder_id}", tag = "reminders", security(("api_token" = ["reminders:read"])),
    params(("reminder_id" = Uuid, Path)),
    responses(
        (status = 200, body = ReminderResponse),
        (status = 404, description = "No such reminder of yours."),
    )
)]
pub async fn get(
    State(app): State<App>,
    caller: Authorized<RemindersRead>,
    Id(id): Id,
) -> Result<Json<ReminderResponse>, ApiError> {
    let reminder = app.storage.reminders().get(caller.id(), ReminderId(id)).await?;
    reminder.map(|reminder| Json(reminder.into())).ok_or(NOT_FOUND)
}

/// Change a reminder.
#[utoipa::path(put, path = "/api/reminders/{reminder_id}", tag = "reminders", security(("api_token" = ["reminders:write"])),
    params(("reminder_id" = Uuid, Path)),
    request_body = ReminderUpdate,
    responses(
        (status = 200, body = ReminderResponse),
        (status = 404, description = "No such reminder of yours."),
    )
)]
pub async fn update(
    State(app): State<App>,
    caller: Authorized<RemindersWrite>,
    Id(id): Id,
    extract::Json(request): extract::Json<ReminderUpdate>,
) -> Result<Json<ReminderResponse>, ApiError> {
    let changed = rewrite(&app, caller.id(), ReminderId(id), |plan| request.apply(plan)).await?;
    changed.map(|reminder| Json(reminder.into())).ok_or(NOT_FOUND)
}

/// Delete a reminder.
#[utoipa::path(delete, path = "/api/reminders/{reminder_id}", tag = "reminders", security(("api_token" = ["reminders:write"])),
    params(("reminder_id" = Uuid, Path)),
    responses(
        (status = 200, body = Message),
        (status = 404, description = "No such reminder of yours."),
    )
)]
pub async fn delete(
    State(app): State<App>,
    caller: Authorized<RemindersWrite>,
    Id(id): Id,
) -> Result<Json<Message>, ApiError> {
    let deleted = app.storage.reminders().delete(caller.id(), ReminderId(id)).await?;
    if deleted { Ok(message("Reminder deleted successfully")) } else { Err(NOT_FOUND) }
}

/// Moves a user's reminders from one zone to another, each at its time of day. One that was set in a third zone stays.
pub async fn move_all(app: &App, user: UserId, from: &Zone, to: &Zone) -> Result<(), ApiError> {
    let mut after = None;
    loop {
        let reminders = app.storage.reminders().list(user, after, MAX_LIMIT).await?;
        let Some(last) = reminders.last() else { return Ok(()) };
        after = Some((last.created_at, last.id.0));
        for reminder in reminders.iter().filter(|reminder| reminder.plan.schedule.time_zone == *from) {
            let moved =
                |plan: ReminderPlan| Ok(if plan.schedule.time_zone == *from { plan.moved_to(to) } else { plan });
            rewrite(app, user, reminder.id, moved).await?;
        }
    }
}

/// Reads a plan, changes it and stores it, again if somebody else stored one in between. `None` if there is no such reminder.
async fn rewrite(
    app: &App,
    user: UserId,
    id: ReminderId,
    change: impl Fn(ReminderPlan) -> Result<ReminderPlan, ApiError>,
) -> Result<Option<Reminder>, ApiError> {
    let reminders = app.storage.reminders();
    for _ in 0..8 {
        let Some(reminder) = reminders.get(user, id).await? else { return Ok(None) };
        let plan = change(reminder.plan)?;
        if let Some(changed) = reminders.replace(user, id, &plan, reminder.updated_at, app.now()).await? {
            return Ok(Some(changed));
        }
    }
    Err(ApiError::Busy)
}

const NOT_FOUND: ApiError = ApiError::NotFound(Code::NotFound, "Reminder not found");

/// The zone that was sent, to be checked, or else the user's own.
fn zone_or_own<'a>(sent: Option<&'a str>, caller: &Caller) -> Result<Zone, &'a str> {
    sent.map_or_else(|| Ok(caller.user().time_zone.clone()), Err)
}

fn switched_on() -> bool {
    true
}
