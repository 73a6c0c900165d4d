//! Reminders.

use async_trait::async_trait;
use sotto_domain::reminder::{Frequency, Reminder, ReminderPlan, Schedule};
use sotto_domain::storage::{Position, Reminders, Result};
use sotto_domain::{ReminderId, Timestamp, UserId};
use tokio_postgres::Row;

use super::Postgres;
use super::error::corrupt;
use super::values::{Instant, all, instant, read, zone};

macro_rules! columns {
    () => {
        "id, user_id, title, message, frequency, custom_days, time, time_zone, is_active, next_due_at, created_at, \
         updated_at"
    };
}

const CREATE: &str = "INSERT INTO reminders
    (user_id, id, title, message, frequency, custom_days, time, time_zone, is_active, next_due_at, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)";

const GET: &str = concat!("SELECT ", columns!(), " FROM reminders WHERE user_id = $1 AND id = $2");

const REPLACE: &str = "UPDATE reminders SET
        title = $3, message = $4, frequency = $5, custom_days = $6, time = $7, time_zone = $8, is_active = $9,
        next_due_at = $10, updated_at = $11
    WHERE user_id = $1 AND id = $2 AND updated_at = $12 RETURNING created_at";

const DELETE: &str = "DELETE FROM reminders WHERE user_id = $1 AND id = $2";

const FIRST: &str =
    concat!("SELECT ", columns!(), " FROM reminders WHERE user_id = $1 ORDER BY created_at, id LIMIT $2");

const NEXT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM reminders WHERE user_id = $1 AND (created_at, id) > ($3, $4) ORDER BY created_at, id LIMIT $2"
);

#[async_trait]
impl Reminders for Postgres {
    async fn create(&self, user: UserId, id: ReminderId, plan: &ReminderPlan, now: Timestamp) -> Result<Reminder> {
        let next_due_at = plan.next_due(now);
        self.pool
            .execute(
                CREATE,
                &[
                    &user.0,
                    &id.0,
                    &plan.title,
                    &plan.message,
                    &plan.schedule.frequency.name(),
                    &plan.schedule.frequency.custom_days(),
                    &Instant(plan.schedule.time),
                    &plan.schedule.time_zone.name(),
                    &plan.is_active,
                    &next_due_at.map(Instant),
                    &Instant(now),
                ],
            )
            .await?;
        Ok(Reminder { id, user_id: user, plan: plan.clone(), next_due_at, created_at: now, updated_at: now })
    }

    async fn get(&self, user: UserId, id: ReminderId) -> Result<Option<Reminder>> {
        self.pool.query_opt(GET, &[&user.0, &id.0]).await?.as_ref().map(reminder).transpose()
    }

    async fn replace(
        &self,
        user: UserId,
        id: ReminderId,
        plan: &ReminderPlan,
        seen: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Reminder>> {
        let next_due_at = plan.next_due(now);
        let row = self
            .pool
            .query_opt(
                REPLACE,
                &[
                    &user.0,
                    &id.0,
                    &plan.title,
                    &plan.message,
                    &plan.schedule.frequency.name(),
                    &plan.schedule.frequency.custom_days(),
                    &Instant(plan.schedule.time),
                    &plan.schedule.time_zone.name(),
                    &plan.is_active,
                    &next_due_at.map(Instant),
                    &Instant(now),
                    &Instant(seen),
                ],
            )
            .await?;
        let replaced = |row: &Row| {
            let created_at = instant(row, 0)?;
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
        all(&rows, reminder)
    }
}

fn reminder(row: &Row) -> Result<Reminder> {
    let frequency =
        Frequency::parse(read(row, 4)?, read(row, 5)?).map_err(|(column, message)| corrupt(column, message));
    let plan = ReminderPlan {
        title: read(row, 2)?,
        message: read(row, 3)?,
        schedule: Schedule { frequency: frequency?, time: instant(row, 6)?, time_zone: zone(row, 7)? },
        is_active: read(row, 8)?,
    };
    Ok(Reminder {
        id: ReminderId(read(row, 0)?),
        user_id: UserId(read(row, 1)?),
        plan,
        next_due_at: read::<Option<Instant>>(row, 9)?.map(|due| due.0),
        created_at: instant(row, 10)?,
        updated_at: instant(row, 11)?,
    })
}
