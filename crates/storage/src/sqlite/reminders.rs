//! Reminders on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, named_params, params};
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::reminder::{Reminder, ReminderPlan};
use sotto_domain::storage::{Position, Reminders, Result};
use sotto_domain::{ReminderId, Timestamp, UserId, Zone};
use uuid::Uuid;

use super::Sqlite;
use super::error::name_foreign_key;
use super::row::read_row;
use crate::rows::reminder_columns;

#[async_trait]
impl Reminders for Sqlite {
    async fn create(
        &self,
        user: UserId,
        id: ReminderId,
        plan: &ReminderPlan,
        key: Option<KeyedCreate>,
        now: Timestamp,
    ) -> Result<Reminder> {
        let plan = plan.clone();
        self.create_keyed(key, id.0, now, move |connection| create(connection, user, id, plan, now), |_| true).await
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
                reminder_columns!(),
                " FROM reminders WHERE user_id = ?1 AND (created_at, id) > (?2, ?3) ORDER BY created_at, id LIMIT ?4"
            );
            let (created_at, id) = after.map_or((i64::MIN, Uuid::nil()), |(at, id)| (at.as_micros(), id));
            let parameters = params![user.0.as_bytes(), created_at, id.as_bytes(), limit];
            connection.prepare_cached(sql)?.query_map(parameters, read_row)?.collect()
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
        .map_err(name_foreign_key("fk_reminders_user"))?;
    Ok(Reminder { id, user_id: user, plan, next_due_at, created_at: now, updated_at: now })
}

fn get(connection: &Connection, user: UserId, id: ReminderId) -> rusqlite::Result<Option<Reminder>> {
    let sql = concat!("SELECT ", reminder_columns!(), " FROM reminders WHERE id = ?2 AND user_id = ?1");
    connection.prepare_cached(sql)?.query_row([user.0.as_bytes(), id.0.as_bytes()], read_row).optional()
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

/// Moves a user's reminders from one zone to another; each keeps its local time.
pub fn move_to_zone(
    connection: &Connection,
    user: UserId,
    from: &Zone,
    to: &Zone,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sql = concat!("SELECT ", reminder_columns!(), " FROM reminders WHERE user_id = ?1 AND time_zone = ?2");
    let parameters = params![user.0.as_bytes(), from.name()];
    let reminders = connection
        .prepare_cached(sql)?
        .query_map(parameters, read_row)?
        .collect::<rusqlite::Result<Vec<Reminder>>>()?;
    let sql = "UPDATE reminders SET time = ?3, time_zone = ?4, next_due_at = ?5, updated_at = ?6
               WHERE id = ?2 AND user_id = ?1";
    let mut update = connection.prepare_cached(sql)?;
    for reminder in reminders {
        let plan = reminder.plan.moved_to(to);
        update.execute(params![
            user.0.as_bytes(),
            reminder.id.0.as_bytes(),
            plan.schedule.time.as_micros(),
            to.name(),
            plan.next_due(now).map(Timestamp::as_micros),
            now.as_micros(),
        ])?;
    }
    Ok(())
}
