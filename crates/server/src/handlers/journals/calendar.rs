//! Your entries by day: the calendar, this day in earlier years, and statistics.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::civil::Date;
use serde::Deserialize;
use sotto_domain::Flaw;
use sotto_domain::statistics::Statistics;
use utoipa::IntoParams;

use super::response::{DayResponse, EntryResponse, StatisticsResponse};
use crate::app::App;
use crate::auth::{Authorized, Caller, EntriesRead};
use crate::http::error::ApiError;
use crate::http::extract::Query;
use crate::http::large_json::large_json;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CalendarParams {
    /// The first day; 1 January of this year by default.
    #[param(format = Date)]
    from: Option<String>,
    /// The last day; 31 December of this year by default.
    #[param(format = Date)]
    to: Option<String>,
}

/// The days with entries, in ascending order.
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
    let bound = |name, given: Option<String>, default: Date| given.map_or(Ok(default), |text| parse_day(name, &text));
    let from = bound("from", params.from, today.first_of_year())?;
    let to = bound("to", params.to, today.last_of_year())?;
    let days = app.storage.entries().days(caller.id(), from, to).await?;
    Ok(Json(days.into_iter().map(DayResponse::from).collect()))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DayParams {
    /// The day whose anniversaries are listed; today in your time zone by default.
    #[param(format = Date)]
    date: Option<String>,
}

/// How far back to look, in years.
const MAX_YEARS: i16 = 150;
/// Entries in the response, at most.
const MAX_ANNIVERSARIES: u32 = 100;

/// Your entries of this day in earlier years, newest first.
///
/// Entries of 29 February are listed on the 28th in years without a leap day.
#[utoipa::path(get, path = "/api/journals/on-this-day", tag = "journals", security(("api_token" = ["entries:read"])), params(DayParams), responses(
    (status = 200, body = Vec<EntryResponse>),
))]
pub async fn on_this_day(
    State(app): State<App>,
    caller: Authorized<EntriesRead>,
    Query(params): Query<DayParams>,
) -> Result<Response, ApiError> {
    let date = params.date.map_or_else(|| Ok(today(&app, &caller)), |text| parse_day("date", &text))?;
    let eve_of_leap_day = date.month() == 2 && date.day() == 28 && !date.in_leap_year();
    let days: Vec<Date> = (1..=MAX_YEARS)
        .flat_map(|years| {
            let year = date.year() - years;
            let same = Date::new(year, date.month(), date.day()).ok();
            let leap = Date::new(year, 2, 29).ok().filter(|_| eve_of_leap_day);
            [leap, same].into_iter().flatten()
        })
        .filter(|day| day.year() >= 1)
        .collect();
    let entries = app.storage.entries().on_days(caller.id(), &days, MAX_ANNIVERSARIES).await?;
    let entries = entries.into_iter().map(EntryResponse::from).collect::<Vec<_>>();
    large_json(&app, caller.id(), HeaderMap::new(), 1024 * entries.len(), entries).await
}

/// Totals and streaks of your whole journal.
#[utoipa::path(get, path = "/api/journals/stats", tag = "journals", security(("api_token" = ["entries:read"])), responses(
    (status = 200, body = StatisticsResponse),
))]
pub async fn statistics(
    State(app): State<App>,
    caller: Authorized<EntriesRead>,
) -> Result<Json<StatisticsResponse>, ApiError> {
    let (first, last) = (Date::constant(1, 1, 1), Date::constant(9999, 12, 31));
    let days = app.storage.entries().days(caller.id(), first, last).await?;
    Ok(Json(Statistics::from_days(&days, today(&app, &caller)).into()))
}

fn today(app: &App, caller: &Caller) -> Date {
    app.now().day_in(&caller.user().time_zone)
}

pub(super) fn parse_day(field: &str, text: &str) -> Result<Date, ApiError> {
    let date: Option<Date> = text.parse().ok().filter(|date: &Date| text.len() == 10 && date.year() >= 1);
    date.ok_or_else(|| ApiError::invalid("query", field, &Flaw::NotADay))
}
