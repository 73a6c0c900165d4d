//! Tags on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::storage::{Position, Result, Tags};
use sotto_domain::tag::{Color, NewTag, Tag, TagPatch};
use sotto_domain::{TagId, Timestamp, UserId};
use uuid::Uuid;

use super::Sqlite;
use super::error::name_foreign_key;
use super::row::read_row;
use crate::rows::tag_columns;

#[async_trait]
impl Tags for Sqlite {
    async fn create(&self, user: UserId, new: &NewTag, key: Option<KeyedCreate>, now: Timestamp) -> Result<Tag> {
        let (id, new) = (new.id.0, new.clone());
        self.create_keyed(key, id, now, move |connection| create(connection, user, new, now), |_| true).await
    }

    async fn get(&self, user: UserId, id: TagId) -> Result<Option<Tag>> {
        self.read(move |connection| get(connection, user, id)).await
    }

    async fn update(&self, user: UserId, id: TagId, patch: &TagPatch, now: Timestamp) -> Result<Option<Tag>> {
        let patch = patch.clone();
        self.write(move |connection| update(connection, user, id, patch, now)).await
    }

    async fn delete(&self, user: UserId, id: TagId) -> Result<bool> {
        self.write(move |connection| {
            let sql = "DELETE FROM tags WHERE id = ?2 AND user_id = ?1";
            Ok(connection.prepare_cached(sql)?.execute([user.0.as_bytes(), id.0.as_bytes()])? == 1)
        })
        .await
    }

    async fn list(&self, user: UserId, after: Option<Position>, limit: u32) -> Result<Vec<Tag>> {
        self.read(move |connection| {
            let sql = concat!(
                "SELECT ",
                tag_columns!(),
                " FROM tags WHERE user_id = ?1 AND (created_at, id) > (?2, ?3) ORDER BY created_at, id LIMIT ?4"
            );
            let (created_at, id) = after.map_or((i64::MIN, Uuid::nil()), |(at, id)| (at.as_micros(), id));
            let parameters = params![user.0.as_bytes(), created_at, id.as_bytes(), limit];
            connection.prepare_cached(sql)?.query_map(parameters, read_row)?.collect()
        })
        .await
    }
}

pub fn create(connection: &Connection, user: UserId, new: NewTag, now: Timestamp) -> rusqlite::Result<Tag> {
    let sql = "INSERT INTO tags (id, name, name_key, color, user_id, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)";
    let parameters = params![
        new.id.0.as_bytes(),
        new.name.as_str(),
        new.name.key(),
        new.color.as_ref().map(Color::as_str),
        user.0.as_bytes(),
        now.as_micros(),
    ];
    connection.prepare_cached(sql)?.execute(parameters).map_err(name_foreign_key("fk_tags_user"))?;
    Ok(Tag { id: new.id, user_id: user, name: new.name, color: new.color, created_at: now, updated_at: now })
}

fn get(connection: &Connection, user: UserId, id: TagId) -> rusqlite::Result<Option<Tag>> {
    let sql = concat!("SELECT ", tag_columns!(), " FROM tags WHERE id = ?2 AND user_id = ?1");
    connection.prepare_cached(sql)?.query_row([user.0.as_bytes(), id.0.as_bytes()], read_row).optional()
}

fn update(
    connection: &Connection,
    user: UserId,
    id: TagId,
    patch: TagPatch,
    now: Timestamp,
) -> rusqlite::Result<Option<Tag>> {
    let Some(old) = get(connection, user, id)? else { return Ok(None) };
    let new =
        Tag { name: patch.name.unwrap_or(old.name), color: patch.color.unwrap_or(old.color), updated_at: now, ..old };
    let sql = "UPDATE tags SET name = ?3, name_key = ?4, color = ?5, updated_at = ?6 WHERE id = ?2 AND user_id = ?1";
    let parameters = params![
        user.0.as_bytes(),
        id.0.as_bytes(),
        new.name.as_str(),
        new.name.key(),
        new.color.as_ref().map(Color::as_str),
        now.as_micros(),
    ];
    connection.prepare_cached(sql)?.execute(parameters)?;
    Ok(Some(new))
}
