//! Reminders.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use sotto_domain::reminder::{Frequency, Reminder, ReminderPlan, Schedule};
use sotto_domain::storage::{Position, Reminders, Result};
use sotto_domain::{ReminderId, Timestamp, UserId};
use uuid::Uuid;

use super::Sqlite;
use super::error::breaks;
use super::values::{damaged, timestamp, uuid, zone};

/// What [`reminder`] reads, in its order.
macro_rules! columns {
    () => {
        "id, user_id, title, message, frequency, custom_days, time, time_zone, is_active, next_due_at, created_at, \
         updated_at"
    };
}

#[async_trait]
impl Reminders for Sqlite {
    async fn create(&self, user: UserId, id: ReminderId, plan: &ReminderPlan, now: Timestamp) -> Result<Reminder> {
        let plan = plan.clone();
        self.write(move |connection| create(connection, user, id, plan, now)).await
    }

    async fn get(&self, user: UserId, id: ReminderId) -> Result<Option<Reminder>> {
        self.read(move |connection| get(connection, user, id)).await
    }

    async fn replace(
        &self,
        user: UserId,
        id: ReminderId,
        plan: &ReminderPlan,
        seen: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Reminder>> {
        let plan = plan.clone();
        self.write(move |connection| replace(connection, user, id, &plan, seen, now)).await
    }

    async fn delete(&self, user: UserId, id: ReminderId) -> Result<bool> {
        self.write(move |connection| {
            let sql = "DELETE FROM reminders WHERE id = ?2 AND user_id = ?1";
            Ok(connection.prepare_cached(sql)?.execute([user.0.as_bytes(), id.0.as_bytes()])? == 1)
        })
        .await
    }

    async fn list(&self, user: UserId, after: Option<Position>, limit: u32) -> Result<Vec<Reminder>> {
        self.read(move |connection| {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM reminders WHERE user_id = ?1 AND (created_at, id) > (?2, ?3) ORDER BY created_at, id LIMIT ?4"
            );
            let (created_at, id) = after.map_or((i64::MIN, Uuid::nil()), |(at, id)| (at.as_micros(), id));
            let parameters = params![user.0.as_bytes(), created_at, id.as_bytes(), limit];
            connection.prepare_cached(sql)?.query_map(parameters, reminder)?.collect()
        })
        .await
    }
}

fn create(
    connection: &Connection,
    user: UserId,
    id: ReminderId,
    plan: ReminderPlan,
    now: Timestamp,
) -> rusqlite::Result<Reminder> {
    let sql = "INSERT INTO reminders (id, user_id, title, message, frequency, custom_days, time, time_zone, is_active,
                                      next_due_at, created_at, updated_at)
               VALUES (:id, :user, :title, :message, :frequency, :custom_days, :time, :time_zone, :is_active,
                       :next_due_at, :now, :now)";
    let next_due_at = plan.next_due(now);
    let mut insert = connection.prepare_cached(sql)?;
    insert
        .execute(named_params! {
            ":id": id.0.as_bytes(),
            ":user": user.0.as_bytes(),
            ":title": plan.title,
            ":message": plan.message,
            ":frequency": plan.schedule.frequency.name(),
            ":custom_days": plan.schedule.frequency.custom_days(),
            ":time": plan.schedule.time.as_micros(),
            ":time_zone": plan.schedule.time_zone.name(),
            ":is_active": plan.is_active,
            ":next_due_at": next_due_at.map(Timestamp::as_micros),
            ":now": now.as_micros(),
        })
        .map_err(breaks("fk_reminders_user"))?;
    Ok(Reminder { id, user_id: user, plan, next_due_at, created_at: now, updated_at: now })
}

fn get(connection: &Connection, user: UserId, id: ReminderId) -> rusqlite::Result<Option<Reminder>> {
    let sql = concat!("SELECT ", columns!(), " FROM reminders WHERE id = ?2 AND user_id = ?1");
    connection.prepare_cached(sql)?.query_row([user.0.as_bytes(), id.0.as_bytes()], reminder).optional()
}

fn replace(
    connection: &Connection,
    user: UserId,
    id: ReminderId,
    plan: &ReminderPlan,
    seen: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<Option<Reminder>> {
    let sql = "UPDATE reminders
               SET title = :title, message = :message, frequency = :frequency, custom_days = :custom_days, time = :time,
                   time_zone = :time_zone, is_active = :is_active, next_due_at = :next_due_at, updated_at = :now
               WHERE id = :id AND user_id = :user AND updated_at = :seen";
    let changed = connection.prepare_cached(sql)?.execute(named_params! {
        ":id": id.0.as_bytes(),
        ":user": user.0.as_bytes(),
        ":seen": seen.as_micros(),
        ":title": plan.title,
        ":message": plan.message,
        ":frequency": plan.schedule.frequency.name(),
        ":custom_days": plan.schedule.frequency.custom_days(),
        ":time": plan.schedule.time.as_micros(),
        ":time_zone": plan.schedule.time_zone.name(),
        ":is_active": plan.is_active,
        ":next_due_at": plan.next_due(now).map(Timestamp::as_micros),
        ":now": now.as_micros(),
    })?;
    if changed == 0 { Ok(None) } else { get(connection, user, id) }
}

fn reminder(row: &Row) -> rusqlite::Result<Reminder> {
    let custom_days = row.get_ref(5)?.as_str_or_null()?;
    let frequency = Frequency::parse(row.get_ref(4)?.as_str()?, custom_days);
    let plan = ReminderPlan {
        title: row.get(2)?,
        message: row.get(3)?,
        schedule: Schedule {
            frequency: frequency.map_err(|(_, flaw)| damaged(4, &flaw.to_string()))?,
            time: timestamp(row, 6)?,
            time_zone: zone(row, 7)?,
        },
        is_active: row.get(8)?,
    };
    let next_due_at = match row.get_ref(9)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(timestamp(row, 9)?),
    };
    Ok(Reminder {
        id: ReminderId(uuid(row, 0)?),
        user_id: UserId(uuid(row, 1)?),
        plan,
        next_due_at,
        created_at: timestamp(row, 10)?,
        updated_at: timestamp(row, 11)?,
    })
}
