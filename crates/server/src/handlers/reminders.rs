//! Your reminders.

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

use super::{Message, message};
use crate::app::App;
use crate::auth::{Authorized, RemindersRead, RemindersWrite};
use crate::http::error::{ApiError, Code};
use crate::http::extract::{self, Id, Query, present};
use crate::http::idempotency::{CreateResponse, IdempotencyKey, IdempotentJson};
use crate::http::page::{Page, PageParams};

/// The name of a frequency. The domain defines which there are.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Frequency(String);

impl ToSchema for Frequency {}

impl PartialSchema for Frequency {
    fn schema() -> RefOr<Schema> {
        let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(reminder::Frequency::NAMES));
        names.description(Some("The days on which a reminder is due.")).into()
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
    /// The first day and the time of day, both in `time_zone`.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// An IANA time zone. The time of day stays the same when clocks change. An unknown name counts as UTC.
    time_zone: String,
    is_active: bool,
    /// For example `mon,wed,fri`, for the frequency `custom`.
    custom_days: Option<String>,
    /// When the reminder is due next; null while it is inactive.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_due_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl ReminderResponse {
    /// The next due time is calculated from the plan: the stored one may have passed, or was calculated with a wrong
    /// clock.
    pub fn new(reminder: Reminder, now: Timestamp) -> Self {
        let (next_due_at, plan) = (reminder.plan.next_due(now), reminder.plan);
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
            next_due_at,
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
    /// The first day and the time of day, both in `time_zone`.
    #[schema(format = DateTime)]
    time: String,
    /// An IANA time zone; that of your account by default.
    time_zone: Option<String>,
    /// Whether the reminder is active; true by default.
    #[serde(default = "switched_on")]
    is_active: bool,
    /// For example `mon,wed,fri`; only with the frequency `custom`.
    custom_days: Option<String>,
}

/// The fields to change. An absent field stays as it is.
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
    /// The first day and the time of day, both in `time_zone`.
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
    /// For example `mon,wed,fri`. They are cleared when the frequency changes from `custom`.
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
            Zone::chosen(self.time_zone.as_deref(), &schedule.time_zone),
            self.is_active.unwrap_or(plan.is_active),
        )?)
    }
}

/// Your reminders, oldest first.
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
    let now = app.now();
    let headers = page.paginate(&app, user, &mut reminders, |reminder| (reminder.created_at, reminder.id.0));
    Ok((headers, Json(reminders.into_iter().map(|reminder| ReminderResponse::new(reminder, now)).collect())))
}

/// Create a reminder.
#[utoipa::path(post, path = "/api/reminders/", tag = "reminders", security(("api_token" = ["reminders:write"])), params(IdempotencyKey), request_body = ReminderCreate, responses(
    (status = 201, body = ReminderResponse),
))]
pub async fn create(
    State(app): State<App>,
    caller: Authorized<RemindersWrite>,
    IdempotentJson(request, idempotency): IdempotentJson<ReminderCreate>,
) -> Result<CreateResponse<(StatusCode, Json<ReminderResponse>)>, ApiError> {
    let (user, reminders, now) = (caller.id(), app.storage.reminders(), app.now());
    let respond = |reminder| (StatusCode::CREATED, Json(ReminderResponse::new(reminder, now)));
    let make = async |key| {
        let plan = ReminderPlan::parse(
            &request.title,
            request.message,
            &request.frequency.0,
            request.custom_days.as_deref(),
            &request.time,
            Zone::chosen(request.time_zone.as_deref(), &caller.user().time_zone),
            request.is_active,
        )?;
        let id = ReminderId::new(app.clock.as_ref(), app.random.as_ref());
        Ok(respond(reminders.create(user, id, &plan, key, now).await?))
    };
    idempotency.create(&app, user, make, async |id| Ok(reminders.get(user, ReminderId(id)).await?.map(respond))).await
}

/// The schedule of a reminder.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReminderPreview {
    frequency: Frequency,
    /// The first day and the time of day, both in `time_zone`.
    #[schema(format = DateTime)]
    time: String,
    /// An IANA time zone; that of your account by default.
    time_zone: Option<String>,
    /// For example `mon,wed,fri`; only with the frequency `custom`.
    custom_days: Option<String>,
}

/// The next due times of a schedule.
#[derive(Serialize, ToSchema)]
pub struct ReminderTimes {
    /// In ascending order. Fewer than five at the end of the year 9999.
    #[schema(value_type = Vec<String>, max_items = 5)]
    times: Vec<Timestamp>,
}

/// Due times in a preview.
const PREVIEW_TIMES: usize = 5;

/// The next five due times of a schedule.
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
    let zone = Zone::chosen(request.time_zone.as_deref(), &caller.user().time_zone);
    let schedule = Schedule::parse(&request.frequency.0, request.custom_days.as_deref(), &request.time, zone)?;
    Ok(Json(ReminderTimes { times: schedule.after(app.now()).take(PREVIEW_TIMES).collect() }))
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
    reminder.map(|reminder| Json(ReminderResponse::new(reminder, app.now()))).ok_or(NOT_FOUND)
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
    changed.map(|reminder| Json(ReminderResponse::new(reminder, app.now()))).ok_or(NOT_FOUND)
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

/// Changes the stored plan, and retries if it was changed at the same time. `None` if the reminder does not exist.
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

fn switched_on() -> bool {
    true
}
