//! Stores tags.

use async_trait::async_trait;
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::storage::{Position, Result, StorageError, Tags};
use sotto_domain::tag::{Color, NewTag, Tag, TagName, TagPatch};
use sotto_domain::{TagId, Timestamp, UserId};

use super::Postgres;
use super::pool::Parameters;
use super::row::read_row;
use super::values::{Instant, read_rows};
use crate::rows::tag_columns;

const CREATE: &str = "INSERT INTO tags (id, name, name_key, color, user_id, created_at, updated_at)
    VALUES ($2, $3, $4, $5, $1, $6, $6)";

const GET: &str = concat!("SELECT ", tag_columns!(), " FROM tags WHERE user_id = $1 AND id = $2");

// The colour may be cleared, so a flag says whether to set it.
const UPDATE: &str = concat!(
    "UPDATE tags SET
        name = coalesce($3, name),
        name_key = coalesce($4, name_key),
        color = CASE WHEN $5 THEN $6 ELSE color END,
        updated_at = $7
    WHERE user_id = $1 AND id = $2 RETURNING ",
    tag_columns!()
);

const DELETE: &str = "DELETE FROM tags WHERE user_id = $1 AND id = $2";

const FIRST: &str =
    concat!("SELECT ", tag_columns!(), " FROM tags WHERE user_id = $1 ORDER BY created_at, id LIMIT $2");

const NEXT: &str = concat!(
    "SELECT ",
    tag_columns!(),
    " FROM tags WHERE user_id = $1 AND (created_at, id) > ($3, $4) ORDER BY created_at, id LIMIT $2"
);

#[async_trait]
impl Tags for Postgres {
    async fn create(&self, user: UserId, new: &NewTag, key: Option<KeyedCreate>, now: Timestamp) -> Result<Tag> {
        let color = new.color.as_ref().map(Color::as_str);
        let parameters: Parameters<'_> =
            &[&user.0, &new.id.0, &new.name.as_str(), &new.name.key(), &color, &Instant(now)];
        self.create_keyed(CREATE, parameters, key, new.id.0, now).await.map_err(taken)?;
        Ok(Tag {
            id: new.id,
            user_id: user,
            name: new.name.clone(),
            color: new.color.clone(),
            created_at: now,
            updated_at: now,
        })
    }

    async fn get(&self, user: UserId, id: TagId) -> Result<Option<Tag>> {
        self.pool.query_opt(GET, &[&user.0, &id.0]).await?.as_ref().map(read_row).transpose()
    }

    async fn update(&self, user: UserId, id: TagId, patch: &TagPatch, now: Timestamp) -> Result<Option<Tag>> {
        let row = self
            .pool
            .query_opt(
                UPDATE,
                &[
                    &user.0,
                    &id.0,
                    &patch.name.as_ref().map(TagName::as_str),
                    &patch.name.as_ref().map(TagName::key),
                    &patch.color.is_some(),
                    &patch.color.as_ref().and_then(Option::as_ref).map(Color::as_str),
                    &Instant(now),
                ],
            )
            .await
            .map_err(taken)?;
        row.as_ref().map(read_row).transpose()
    }

    async fn delete(&self, user: UserId, id: TagId) -> Result<bool> {
        Ok(self.pool.execute(DELETE, &[&user.0, &id.0]).await? > 0)
    }

    async fn list(&self, user: UserId, after: Option<Position>, limit: u32) -> Result<Vec<Tag>> {
        let limit = i64::from(limit);
        let rows = match after {
            None => self.pool.query(FIRST, &[&user.0, &limit]).await?,
            Some((at, id)) => self.pool.query(NEXT, &[&user.0, &limit, &Instant(at), &id]).await?,
        };
        read_rows(&rows, read_row)
    }
}

/// If a new name equals an existing one exactly, two constraints refuse it, and PostgreSQL reports the older one.
fn taken(error: StorageError) -> StorageError {
    match error {
        StorageError::Conflict { constraint } if constraint == "uq_tags_user_name" => {
            StorageError::Conflict { constraint: "uq_tags_user_name_key".into() }
        }
        other => other,
    }
}
