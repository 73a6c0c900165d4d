//! Accounts on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use sotto_domain::account::{
    AccountPatch, Administered, Credentials, DraftKey, Email, NewUser, PasswordHash, Preferences, Revoked, User,
    UserPatch, UserQuery,
};
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::storage::{Result, Users};
use sotto_domain::{SessionId, Timestamp, UserId};

use super::row::read_row;
use super::values::damaged;
use super::{Sqlite, reminders};
use crate::rows::user_columns;

#[async_trait]
impl Users for Sqlite {
    async fn create(&self, new: &NewUser, key: Option<KeyedCreate>, now: Timestamp) -> Result<User> {
        let (id, new) = (new.id.0, new.clone());
        self.create_keyed(key, id, now, move |connection| create(connection, new, now), |_| true).await
    }

    async fn create_first(&self, new: &NewUser, now: Timestamp) -> Result<Option<User>> {
        let new = new.clone();
        self.write(
            move |connection| {
                if has_accounts(connection)? { Ok(None) } else { create(connection, new, now).map(Some) }
            },
        )
        .await
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

    async fn preferences(&self, id: UserId) -> Result<Option<Preferences>> {
        self.read(move |connection| {
            let sql = "SELECT preferences FROM users WHERE id = ?1";
            connection.prepare_cached(sql)?.query_row([id.0.as_bytes()], preferences).optional()
        })
        .await
    }

    async fn draft_key(&self, id: UserId, fresh: &DraftKey, now: Timestamp) -> Result<Option<DraftKey>> {
        let kept = move |connection: &Connection| {
            let sql = "SELECT draft_key FROM users WHERE id = ?1 AND draft_key IS NOT NULL";
            connection.prepare_cached(sql)?.query_row([id.0.as_bytes()], |row| row.get(0)).optional()
        };
        // The key is read first, because only the first call writes.
        if let Some(key) = self.read(kept).await? {
            return Ok(Some(DraftKey(key)));
        }
        let fresh = *fresh;
        self.write(move |connection| {
            let sql = "UPDATE users SET draft_key = ?2, updated_at = ?3 WHERE id = ?1 AND draft_key IS NULL";
            connection.prepare_cached(sql)?.execute(params![id.0.as_bytes(), fresh.0, now.as_micros()])?;
            Ok(kept(connection)?.map(DraftKey))
        })
        .await
    }

    async fn set_password(
        &self,
        id: UserId,
        hash: &PasswordHash,
        keep: Option<SessionId>,
        delete_api_tokens: bool,
        now: Timestamp,
    ) -> Result<bool> {
        let hash = hash.clone();
        self.write(move |connection| {
            let sql = "UPDATE users SET hashed_password = ?2, updated_at = ?3
                       WHERE id = ?1
                           AND (?4 IS NULL OR EXISTS (SELECT 1 FROM login_sessions WHERE id = ?4 AND user_id = ?1))";
            let asking = keep.as_ref().map(|keep| keep.0.as_bytes());
            let parameters = params![id.0.as_bytes(), hash.0, now.as_micros(), asking];
            if connection.prepare_cached(sql)?.execute(parameters)? == 0 {
                return Ok(false);
            }
            end_sessions(connection, id, keep)?;
            if delete_api_tokens {
                let sql = "DELETE FROM api_tokens WHERE user_id = ?1";
                connection.prepare_cached(sql)?.execute([id.0.as_bytes()])?;
            }
            Ok(true)
        })
        .await
    }

    async fn reset_credentials(&self, id: UserId, hash: &PasswordHash, now: Timestamp) -> Result<Option<Revoked>> {
        let hash = hash.clone();
        self.write(move |connection| {
            let sql = "UPDATE users SET hashed_password = ?2, google_id = NULL, updated_at = ?3 WHERE id = ?1";
            if connection.prepare_cached(sql)?.execute(params![id.0.as_bytes(), hash.0, now.as_micros()])? == 0 {
                return Ok(None);
            }
            let delete = |sql: &str| connection.prepare_cached(sql)?.execute([id.0.as_bytes()]).map(|rows| rows as u64);
            Ok(Some(Revoked {
                sessions: delete("DELETE FROM login_sessions WHERE user_id = ?1")?,
                api_tokens: delete("DELETE FROM api_tokens WHERE user_id = ?1")?,
                identities: delete("DELETE FROM identities WHERE user_id = ?1")?,
            }))
        })
        .await
    }

    async fn verify_email(&self, id: UserId, email: &Email, now: Timestamp) -> Result<bool> {
        let email = email.clone();
        self.write(move |connection| {
            let sql = "UPDATE users SET email_verified_at = ?3, updated_at = ?3
                       WHERE id = ?1 AND email = ?2 AND email_verified_at IS NULL";
            let parameters = params![id.0.as_bytes(), email.as_str(), now.as_micros()];
            Ok(connection.prepare_cached(sql)?.execute(parameters)? == 1)
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

    async fn administer(&self, id: UserId, patch: &AccountPatch, now: Timestamp) -> Result<Administered<User>> {
        let patch = patch.clone();
        self.write(move |connection| administer(connection, id, patch, now)).await
    }

    async fn delete(&self, id: UserId) -> Result<Administered<()>> {
        self.write(move |connection| delete(connection, id)).await
    }

    async fn list(&self, query: &UserQuery) -> Result<Vec<User>> {
        let query = query.clone();
        self.read(move |connection| list(connection, &query)).await
    }
}

fn preferences(row: &Row) -> rusqlite::Result<Preferences> {
    let Some(text) = row.get_ref(0)?.as_str_or_null()? else { return Ok(Preferences::default()) };
    Preferences::from_text(text).ok_or_else(|| damaged(0, "not a JSON object"))
}

fn create(connection: &Connection, new: NewUser, now: Timestamp) -> rusqlite::Result<User> {
    let sql = "INSERT INTO users
                   (id, email, email_verified_at, hashed_password, full_name, is_superuser, time_zone, created_at,
                    updated_at)
               VALUES (:id, :email, :verified, :hashed_password, :full_name, :is_superuser, :time_zone, :now, :now)";
    connection.prepare_cached(sql)?.execute(named_params! {
        ":id": new.id.0.as_bytes(),
        ":email": new.email.as_str(),
        ":verified": new.email_verified.then(|| now.as_micros()),
        ":hashed_password": new.password_hash.as_ref().map(|hash| &hash.0),
        ":full_name": new.full_name,
        ":is_superuser": new.is_superuser,
        ":time_zone": new.time_zone.name(),
        ":now": now.as_micros(),
    })?;
    Ok(new.created(now))
}

/// There is only one writer, so the result holds until the unit is committed.
pub(super) fn has_accounts(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM users LIMIT 1")?.exists([])
}

fn get(connection: &Connection, id: UserId) -> rusqlite::Result<Option<User>> {
    let sql = concat!("SELECT ", user_columns!(), " FROM users WHERE id = ?1");
    connection.prepare_cached(sql)?.query_row([id.0.as_bytes()], read_row).optional()
}

fn credentials(connection: &Connection, email: &Email) -> rusqlite::Result<Option<Credentials>> {
    let sql = concat!("SELECT ", user_columns!(), ", users.hashed_password FROM users WHERE email = ?1");
    connection.prepare_cached(sql)?.query_row([email.as_str()], read_row).optional()
}

fn update(connection: &Connection, id: UserId, patch: UserPatch, now: Timestamp) -> rusqlite::Result<Option<User>> {
    let Some(old) = get(connection, id)? else { return Ok(None) };
    let old_zone = old.time_zone.clone();
    let keeps_address = patch.email.as_ref().is_none_or(|email| *email == old.email);
    let new = User {
        email_verified_at: old.email_verified_at.filter(|_| keeps_address),
        email: patch.email.unwrap_or(old.email),
        full_name: patch.full_name.unwrap_or(old.full_name),
        avatar_url: patch.avatar_url.unwrap_or(old.avatar_url),
        time_zone: patch.time_zone.unwrap_or(old.time_zone),
        updated_at: now,
        ..old
    };
    let sql = "UPDATE users
               SET email = ?2, full_name = ?3, avatar_url = ?4, time_zone = ?5,
                   preferences = coalesce(?6, preferences), updated_at = ?7, email_verified_at = ?8
               WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        id.0.as_bytes(),
        new.email.as_str(),
        new.full_name,
        new.avatar_url,
        new.time_zone.name(),
        patch.preferences.map(|preferences| preferences.to_text()),
        now.as_micros(),
        new.email_verified_at.map(Timestamp::as_micros),
    ])?;
    if new.time_zone.name() != old_zone.name() {
        reminders::move_to_zone(connection, id, &old_zone, &new.time_zone, now)?;
    }
    Ok(Some(new))
}

fn administer(
    connection: &Connection,
    id: UserId,
    patch: AccountPatch,
    now: Timestamp,
) -> rusqlite::Result<Administered<User>> {
    let Some(old) = get(connection, id)? else { return Ok(Administered::Missing) };
    if patch.takes_superuser_away() && is_last_superuser(connection, &old)? {
        return Ok(Administered::LastSuperuser);
    }
    if patch.ends_sessions() {
        end_sessions(connection, id, None)?;
    }
    let new = User {
        email_verified_at: patch.email_verified_at(&old, now),
        email: patch.email.unwrap_or(old.email),
        is_active: patch.is_active.unwrap_or(old.is_active),
        is_superuser: patch.is_superuser.unwrap_or(old.is_superuser),
        full_name: patch.full_name.unwrap_or(old.full_name),
        has_password: old.has_password || patch.password_hash.is_some(),
        updated_at: now,
        ..old
    };
    let sql = "UPDATE users
               SET is_active = ?2, is_superuser = ?3, full_name = ?4, hashed_password = coalesce(?5, hashed_password),
                   updated_at = ?6, email = ?7, email_verified_at = ?8
               WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        id.0.as_bytes(),
        new.is_active,
        new.is_superuser,
        new.full_name,
        patch.password_hash.map(|hash| hash.0),
        now.as_micros(),
        new.email.as_str(),
        new.email_verified_at.map(Timestamp::as_micros),
    ])?;
    Ok(Administered::Done(new))
}

fn delete(connection: &Connection, id: UserId) -> rusqlite::Result<Administered<()>> {
    let Some(user) = get(connection, id)? else { return Ok(Administered::Missing) };
    if is_last_superuser(connection, &user)? {
        return Ok(Administered::LastSuperuser);
    }
    let free = "INSERT INTO freed_attachments (id, user_id)
                SELECT id, user_id FROM attachments WHERE user_id = ?1
                ON CONFLICT (id) DO NOTHING";
    connection.prepare_cached(free)?.execute([id.0.as_bytes()])?;
    connection.prepare_cached("DELETE FROM users WHERE id = ?1")?.execute([id.0.as_bytes()])?;
    Ok(Administered::Done(()))
}

/// There is only one writer, so the result holds until the unit is committed.
fn is_last_superuser(connection: &Connection, user: &User) -> rusqlite::Result<bool> {
    if !(user.is_active && user.is_superuser) {
        return Ok(false);
    }
    let sql = "SELECT 1 FROM users WHERE is_superuser AND is_active AND id <> ?1";
    Ok(!connection.prepare_cached(sql)?.exists([user.id.0.as_bytes()])?)
}

fn list(connection: &Connection, query: &UserQuery) -> rusqlite::Result<Vec<User>> {
    let sql = concat!(
        "SELECT ",
        user_columns!(),
        " FROM users
          WHERE email > ?1 AND (?2 IS NULL OR instr(email, ?2) > 0 OR instr(lower(full_name), ?3) > 0)
          ORDER BY email LIMIT ?4"
    );
    // Every address sorts after the empty text.
    let after = query.after.as_ref().map_or("", Email::as_str);
    let (address, name) = query.needles();
    connection.prepare_cached(sql)?.query_map(params![after, address, name, query.limit], read_row)?.collect()
}

fn end_sessions(connection: &Connection, user: UserId, keep: Option<SessionId>) -> rusqlite::Result<()> {
    let sql = "DELETE FROM login_sessions WHERE user_id = ?1 AND id IS NOT ?2";
    let keep = keep.as_ref().map(|id| id.0.as_bytes());
    connection.prepare_cached(sql)?.execute(params![user.0.as_bytes(), keep]).map(drop)
}
