//! Security events on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, params};
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::security_event::{KEPT_SECONDS, MAX_EVENTS, SecurityEvent};
use sotto_domain::storage::{Position, Result, SecurityEvents};
use sotto_domain::{Timestamp, UserId};
use uuid::Uuid;

use super::Sqlite;
use super::error::name_foreign_key;
use super::row::read_row;
use crate::rows::security_event_columns;

#[async_trait]
impl SecurityEvents for Sqlite {
    async fn record(&self, event: &SecurityEvent) -> Result<()> {
        let event = event.clone();
        self.write(move |connection| record(connection, &event)).await
    }

    async fn list(&self, user: UserId, after: Option<Position>, limit: u32) -> Result<Vec<SecurityEvent>> {
        self.read(move |connection| {
            let sql = concat!(
                "SELECT ",
                security_event_columns!(),
                " FROM security_events WHERE user_id = ?1 AND (created_at, id) < (?2, ?3)
                 ORDER BY created_at DESC, id DESC LIMIT ?4"
            );
            let (created_at, id) = after.map_or((i64::MAX, Uuid::max()), |(at, id)| (at.as_micros(), id));
            let parameters = params![user.0.as_bytes(), created_at, id.as_bytes(), limit];
            connection.prepare_cached(sql)?.query_map(parameters, read_row)?.collect()
        })
        .await
    }

    async fn delete_expired(&self, now: Timestamp) -> Result<u64> {
        self.write(move |connection| {
            let sql = "DELETE FROM security_events WHERE created_at <= ?1";
            Ok(connection.prepare_cached(sql)?.execute([now.plus_seconds(-KEPT_SECONDS).as_micros()])? as u64)
        })
        .await
    }

    async fn correct_dates(&self, now: Timestamp) -> Result<u64> {
        self.write(move |connection| {
            let sql = "UPDATE security_events SET created_at = ?1, updated_at = ?1 WHERE created_at > ?2";
            let impossible = now.plus_seconds(CLOCK_TOLERANCE);
            Ok(connection.prepare_cached(sql)?.execute([now.as_micros(), impossible.as_micros()])? as u64)
        })
        .await
    }
}

fn record(connection: &Connection, event: &SecurityEvent) -> rusqlite::Result<()> {
    let user = event.user_id.0.as_bytes();
    let sql = "INSERT INTO security_events (id, user_id, kind, client, user_agent, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)";
    let parameters = params![
        event.id.0.as_bytes(),
        user,
        event.kind.name(),
        event.client,
        event.user_agent,
        event.created_at.as_micros(),
    ];
    connection.prepare_cached(sql)?.execute(parameters).map_err(name_foreign_key("fk_security_events_user"))?;
    let sql = "DELETE FROM security_events
               WHERE user_id = ?1 AND kind = ?3 AND (created_at, id) <= (
                   SELECT created_at, id FROM security_events WHERE user_id = ?1 AND kind = ?3
                   ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET ?2)";
    connection.prepare_cached(sql)?.execute(params![user, MAX_EVENTS, event.kind.name()]).map(drop)
}
