//! Stores reminders.

use async_trait::async_trait;
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::reminder::{Reminder, ReminderPlan, Schedule};
use sotto_domain::storage::{Position, Reminders, Result};
use sotto_domain::{ReminderId, Timestamp, UserId, Zone};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Postgres;
use super::lease::Lease;
use super::row::read_row;
use super::values::{Instant, instant, read_rows};
use crate::rows::reminder_columns;

const CREATE: &str = "INSERT INTO reminders
    (user_id, id, title, message, frequency, custom_days, time, time_zone, is_active, next_due_at, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)";

const GET: &str = concat!("SELECT ", reminder_columns!(), " FROM reminders WHERE user_id = $1 AND id = $2");

const REPLACE: &str = "UPDATE reminders SET
        title = $3, message = $4, frequency = $5, custom_days = $6, time = $7, time_zone = $8, is_active = $9,
        next_due_at = $10, updated_at = $11
    WHERE user_id = $1 AND id = $2 AND updated_at = $12 RETURNING created_at";

const DELETE: &str = "DELETE FROM reminders WHERE user_id = $1 AND id = $2";

const FIRST: &str =
    concat!("SELECT ", reminder_columns!(), " FROM reminders WHERE user_id = $1 ORDER BY created_at, id LIMIT $2");

const NEXT: &str = concat!(
    "SELECT ",
    reminder_columns!(),
    " FROM reminders WHERE user_id = $1 AND (created_at, id) > ($3, $4) ORDER BY created_at, id LIMIT $2"
);

// While these locks are held, none of the reminders can be replaced.
const LOCK_IN_ZONE: &str =
    concat!("SELECT ", reminder_columns!(), " FROM reminders WHERE user_id = $1 AND time_zone = $2 FOR NO KEY UPDATE");

/// Moves a user's reminders to another time zone. The parameters are the user, the zone, the time of the change, and
/// the three lists of [`MovedReminders`].
pub(super) const MOVE_REMINDERS: &str = "UPDATE reminders r
    SET time = moved.time, time_zone = $2, next_due_at = moved.next_due_at, updated_at = $3
    FROM unnest($4::uuid[], $5::timestamptz[], $6::timestamptz[]) AS moved (id, time, next_due_at)
    WHERE r.user_id = $1 AND r.id = moved.id";

#[async_trait]
impl Reminders for Postgres {
    async fn create(
        &self,
        user: UserId,
        id: ReminderId,
        plan: &ReminderPlan,
        key: Option<KeyedCreate>,
        now: Timestamp,
    ) -> Result<Reminder> {
        let values = PlanValues::new(user, id, plan, now);
        self.create_keyed(CREATE, &values.parameters(), key, id.0, now).await?;
        let next_due_at = plan.next_due(now);
        Ok(Reminder { id, user_id: user, plan: plan.clone(), next_due_at, created_at: now, updated_at: now })
    }

    async fn get(&self, user: UserId, id: ReminderId) -> Result<Option<Reminder>> {
        self.pool.query_opt(GET, &[&user.0, &id.0]).await?.as_ref().map(read_row).transpose()
    }

    async fn replace(
        &self,
        user: UserId,
        id: ReminderId,
        plan: &ReminderPlan,
        seen: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Reminder>> {
        let (values, seen) = (PlanValues::new(user, id, plan, now), Instant(seen));
        let mut parameters = values.parameters().to_vec();
        parameters.push(&seen);
        let row = self.pool.query_opt(REPLACE, &parameters).await?;
        let replaced = |row: &Row| {
            let (created_at, next_due_at) = (instant(row, 0)?, plan.next_due(now));
            Ok(Reminder { id, user_id: user, plan: plan.clone(), next_due_at, created_at, updated_at: now })
        };
        row.as_ref().map(replaced).transpose()
    }

    async fn delete(&self, user: UserId, id: ReminderId) -> Result<bool> {
        Ok(self.pool.execute(DELETE, &[&user.0, &id.0]).await? > 0)
    }

    async fn list(&self, user: UserId, after: Option<Position>, limit: u32) -> Result<Vec<Reminder>> {
        let limit = i64::from(limit);
        let rows = match after {
            None => self.pool.query(FIRST, &[&user.0, &limit]).await?,
            Some((at, id)) => self.pool.query(NEXT, &[&user.0, &limit, &Instant(at), &id]).await?,
        };
        read_rows(&rows, read_row)
    }
}

/// The parameters that [`CREATE`] and [`REPLACE`] share.
struct PlanValues<'a> {
    user: UserId,
    id: ReminderId,
    plan: &'a ReminderPlan,
    frequency: &'static str,
    custom_days: Option<String>,
    time: Instant,
    zone: &'a str,
    next_due_at: Option<Instant>,
    now: Instant,
}

impl<'a> PlanValues<'a> {
    fn new(user: UserId, id: ReminderId, plan: &'a ReminderPlan, now: Timestamp) -> Self {
        let Schedule { frequency, time, time_zone } = &plan.schedule;
        Self {
            user,
            id,
            plan,
            frequency: frequency.name(),
            custom_days: frequency.custom_days(),
            time: Instant(*time),
            zone: time_zone.name(),
            next_due_at: plan.next_due(now).map(Instant),
            now: Instant(now),
        }
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 11] {
        [
            &self.user.0,
            &self.id.0,
            &self.plan.title,
            &self.plan.message,
            &self.frequency,
            &self.custom_days,
            &self.time,
            &self.zone,
            &self.plan.is_active,
            &self.next_due_at,
            &self.now,
        ]
    }
}

/// A user's reminders that move to another time zone: ids, new times and next due times.
#[derive(Default)]
pub(super) struct MovedReminders {
    pub ids: Vec<Uuid>,
    pub times: Vec<Instant>,
    pub next_due: Vec<Option<Instant>>,
}

impl MovedReminders {
    /// Reads and locks the reminders in the zone `from`. Must run inside a transaction.
    pub async fn read(lease: &Lease<'_>, user: UserId, from: &Zone, to: &Zone, now: Timestamp) -> Result<Self> {
        let rows = lease.query(LOCK_IN_ZONE, &[&user.0, &from.name()]).await?;
        let mut moved = Self::default();
        for reminder in read_rows::<Reminder>(&rows, read_row)? {
            let plan = reminder.plan.moved_to(to);
            moved.ids.push(reminder.id.0);
            moved.times.push(Instant(plan.schedule.time));
            moved.next_due.push(plan.next_due(now).map(Instant));
        }
        Ok(moved)
    }
}
