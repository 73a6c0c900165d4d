//! Accounts.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use sotto_domain::account::{Credentials, Email, NewUser, PasswordHash, User, UserPatch};
use sotto_domain::storage::{Result, Users};
use sotto_domain::{SessionId, Timestamp, UserId};

use super::Sqlite;
use super::values::{damaged, timestamp, uuid, zone};

/// What [`user`] reads, in its order.
macro_rules! columns {
    () => {
        "users.id, users.email, users.full_name, users.is_active, users.is_superuser, users.google_id, \
         users.avatar_url, users.time_zone, users.created_at, users.updated_at"
    };
}
pub(super) use columns;

/// How many columns that is: others may follow.
pub const COLUMNS: usize = 10;

#[async_trait]
impl Users for Sqlite {
    async fn create(&self, new: &NewUser, now: Timestamp) -> Result<User> {
        let new = new.clone();
        self.write(move |connection| create(connection, new, now)).await
    }

    async fn get(&self, id: UserId) -> Result<Option<User>> {
        self.read(move |connection| get(connection, id)).await
    }

    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>> {
        let email = email.clone();
        self.read(move |connection| credentials(connection, &email)).await
    }

    async fn update(&self, id: UserId, patch: &UserPatch, now: Timestamp) -> Result<Option<User>> {
        let patch = patch.clone();
        self.write(move |connection| update(connection, id, patch, now)).await
    }

    async fn set_password(
        &self,
        id: UserId,
        hash: &PasswordHash,
        keep: Option<SessionId>,
        now: Timestamp,
    ) -> Result<bool> {
        let hash = hash.clone();
        self.write(move |connection| {
            let sql = "UPDATE users SET hashed_password = ?2, updated_at = ?3 WHERE id = ?1";
            let parameters = params![id.0.as_bytes(), hash.0, now.as_micros()];
            let found = connection.prepare_cached(sql)?.execute(parameters)? == 1;
            end_sessions(connection, id, keep)?;
            Ok(found)
        })
        .await
    }

    async fn set_active(&self, id: UserId, active: bool, now: Timestamp) -> Result<bool> {
        self.write(move |connection| {
            let sql = "UPDATE users SET is_active = ?2, updated_at = ?3 WHERE id = ?1";
            let found =
                connection.prepare_cached(sql)?.execute(params![id.0.as_bytes(), active, now.as_micros()])? == 1;
            if !active {
                end_sessions(connection, id, None)?;
            }
            Ok(found)
        })
        .await
    }

    async fn delete(&self, id: UserId) -> Result<bool> {
        self.write(move |connection| {
            Ok(connection.prepare_cached("DELETE FROM users WHERE id = ?1")?.execute([id.0.as_bytes()])? == 1)
        })
        .await
    }

    async fn list(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>> {
        self.read(move |connection| {
            let sql = concat!("SELECT ", columns!(), " FROM users WHERE id > ?1 ORDER BY id LIMIT ?2");
            // No bytes at all come before any id.
            let after = after.as_ref().map_or(&[][..], |id| id.0.as_bytes());
            connection.prepare_cached(sql)?.query_map(params![after, limit], user)?.collect()
        })
        .await
    }
}

/// Reads a user from the first [`COLUMNS`] columns.
pub fn user(row: &Row) -> rusqlite::Result<User> {
    let email = Email::parse(row.get_ref(1)?.as_str()?).map_err(|_| damaged(1, "not an e-mail address"))?;
    Ok(User {
        id: UserId(uuid(row, 0)?),
        email,
        full_name: row.get(2)?,
        is_active: row.get(3)?,
        is_superuser: row.get(4)?,
        google_id: row.get(5)?,
        avatar_url: row.get(6)?,
        time_zone: zone(row, 7)?,
        created_at: timestamp(row, 8)?,
        updated_at: timestamp(row, 9)?,
    })
}

fn create(connection: &Connection, new: NewUser, now: Timestamp) -> rusqlite::Result<User> {
    let sql = "INSERT INTO users
                   (id, email, hashed_password, full_name, is_superuser, time_zone, created_at, updated_at)
               VALUES (:id, :email, :hashed_password, :full_name, :is_superuser, :time_zone, :now, :now)";
    connection.prepare_cached(sql)?.execute(named_params! {
        ":id": new.id.0.as_bytes(),
        ":email": new.email.as_str(),
        ":hashed_password": new.password_hash.map(|hash| hash.0),
        ":full_name": new.full_name,
        ":is_superuser": new.is_superuser,
        ":time_zone": new.time_zone.name(),
        ":now": now.as_micros(),
    })?;
    Ok(User {
        id: new.id,
        email: new.email,
        full_name: new.full_name,
        is_active: true,
        is_superuser: new.is_superuser,
        google_id: None,
        avatar_url: None,
        time_zone: new.time_zone,
        created_at: now,
        updated_at: now,
    })
}

fn get(connection: &Connection, id: UserId) -> rusqlite::Result<Option<User>> {
    let sql = concat!("SELECT ", columns!(), " FROM users WHERE id = ?1");
    connection.prepare_cached(sql)?.query_row([id.0.as_bytes()], user).optional()
}

fn credentials(connection: &Connection, email: &Email) -> rusqlite::Result<Option<Credentials>> {
    let sql = concat!("SELECT ", columns!(), ", users.hashed_password FROM users WHERE email = ?1");
    let credentials = |row: &Row| {
        let password_hash = row.get::<_, Option<String>>(COLUMNS)?.map(PasswordHash);
        Ok(Credentials { user: user(row)?, password_hash })
    };
    connection.prepare_cached(sql)?.query_row([email.as_str()], credentials).optional()
}

fn update(connection: &Connection, id: UserId, patch: UserPatch, now: Timestamp) -> rusqlite::Result<Option<User>> {
    let Some(old) = get(connection, id)? else { return Ok(None) };
    let new = User {
        email: patch.email.unwrap_or(old.email),
        full_name: patch.full_name.unwrap_or(old.full_name),
        avatar_url: patch.avatar_url.unwrap_or(old.avatar_url),
        time_zone: patch.time_zone.unwrap_or(old.time_zone),
        updated_at: now,
        ..old
    };
    let sql = "UPDATE users
               SET email = ?2, full_name = ?3, avatar_url = ?4, time_zone = ?5, updated_at = ?6
               WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        id.0.as_bytes(),
        new.email.as_str(),
        new.full_name,
        new.avatar_url,
        new.time_zone.name(),
        now.as_micros(),
    ])?;
    Ok(Some(new))
}

fn end_sessions(connection: &Connection, user: UserId, keep: Option<SessionId>) -> rusqlite::Result<()> {
    let sql = "DELETE FROM login_sessions WHERE user_id = ?1 AND id IS NOT ?2";
    let keep = keep.as_ref().map(|id| id.0.as_bytes());
    connection.prepare_cached(sql)?.execute(params![user.0.as_bytes(), keep]).map(drop)
}
