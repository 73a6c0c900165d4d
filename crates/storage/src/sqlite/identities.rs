//! Identities at providers on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, named_params, params};
use sotto_domain::account::{NewUser, User};
use sotto_domain::identity::{GOOGLE, Identity, Unlinked};
use sotto_domain::storage::{Identities, Result};
use sotto_domain::{IdentityId, Timestamp, UserId};

use super::Sqlite;
use super::error::name_foreign_key;
use super::row::read_row;
use super::users::has_accounts;
use crate::rows::{identity_columns, user_columns};

#[async_trait]
impl Identities for Sqlite {
    async fn find(&self, issuer: &str, subject: &str) -> Result<Option<User>> {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.read(move |connection| {
            let sql = concat!(
                "SELECT ",
                user_columns!(),
                " FROM identities JOIN users ON users.id = identities.user_id
                 WHERE identities.issuer = ?1 AND identities.subject = ?2"
            );
            connection.prepare_cached(sql)?.query_row([issuer, subject], read_row).optional()
        })
        .await
    }

    async fn link(&self, identity: &Identity) -> Result<()> {
        let identity = identity.clone();
        self.write(move |connection| {
            link(connection, &identity)?;
            if identity.issuer == GOOGLE {
                follow_google(connection, identity.user_id, identity.created_at)?;
            }
            Ok(())
        })
        .await
    }

    async fn sign_up(
        &self,
        new: &NewUser,
        avatar_url: Option<&str>,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<User> {
        let (new, avatar_url, identity) = (new.clone(), avatar_url.map(str::to_owned), identity.clone());
        self.write(move |connection| sign_up(connection, new, avatar_url, identity, now)).await
    }

    async fn sign_up_first(
        &self,
        new: &NewUser,
        avatar_url: Option<&str>,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<Option<User>> {
        let (new, avatar_url, identity) = (new.clone(), avatar_url.map(str::to_owned), identity.clone());
        self.write(move |connection| {
            if has_accounts(connection)? {
                return Ok(None);
            }
            sign_up(connection, new, avatar_url, identity, now).map(Some)
        })
        .await
    }

    async fn list(&self, user: UserId) -> Result<Vec<Identity>> {
        self.read(move |connection| {
            let sql = concat!(
                "SELECT ",
                identity_columns!(),
                " FROM identities WHERE user_id = ?1 ORDER BY created_at, id LIMIT 1000"
            );
            connection.prepare_cached(sql)?.query_map([user.0.as_bytes()], read_row)?.collect()
        })
        .await
    }

    async fn unlink(&self, user: UserId, id: IdentityId, now: Timestamp) -> Result<Unlinked> {
        self.write(move |connection| unlink(connection, user, id, now)).await
    }
}

fn link(connection: &Connection, identity: &Identity) -> rusqlite::Result<()> {
    let sql = "INSERT INTO identities (id, user_id, issuer, subject, email, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)";
    let parameters = params![
        identity.id.0.as_bytes(),
        identity.user_id.0.as_bytes(),
        identity.issuer,
        identity.subject,
        identity.email,
        identity.created_at.as_micros(),
    ];
    connection.prepare_cached(sql)?.execute(parameters).map(drop).map_err(name_foreign_key("fk_identities_user"))
}

/// With several Google identities, the account shows one of them, always the same.
fn follow_google(connection: &Connection, user: UserId, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE users
               SET google_id = (SELECT min(subject) FROM identities WHERE user_id = ?1 AND issuer = ?2), updated_at = ?3
               WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![user.0.as_bytes(), GOOGLE, now.as_micros()]).map(drop)
}

fn sign_up(
    connection: &Connection,
    new: NewUser,
    avatar_url: Option<String>,
    identity: Identity,
    now: Timestamp,
) -> rusqlite::Result<User> {
    let google_id = (identity.issuer == GOOGLE).then(|| identity.subject.clone());
    let sql = "INSERT INTO users
                   (id, email, email_verified_at, full_name, is_superuser, time_zone, avatar_url, google_id, created_at,
                    updated_at)
               VALUES (:id, :email, :verified, :full_name, :is_superuser, :time_zone, :avatar_url, :google_id, :now,
                    :now)";
    connection.prepare_cached(sql)?.execute(named_params! {
        ":id": new.id.0.as_bytes(),
        ":email": new.email.as_str(),
        ":verified": new.email_verified.then(|| now.as_micros()),
        ":full_name": new.full_name,
        ":is_superuser": new.is_superuser,
        ":time_zone": new.time_zone.name(),
        ":avatar_url": avatar_url,
        ":google_id": google_id,
        ":now": now.as_micros(),
    })?;
    link(connection, &Identity { user_id: new.id, created_at: now, ..identity })?;
    Ok(User { google_id, avatar_url, ..NewUser { password_hash: None, ..new }.created(now) })
}

fn unlink(connection: &Connection, user: UserId, id: IdentityId, now: Timestamp) -> rusqlite::Result<Unlinked> {
    let sql = "SELECT i.issuer,
                   EXISTS (SELECT 1 FROM users WHERE id = ?1 AND hashed_password IS NOT NULL)
                   OR EXISTS (SELECT 1 FROM identities o WHERE o.user_id = ?1 AND o.id <> ?2)
               FROM identities i WHERE i.user_id = ?1 AND i.id = ?2";
    let ids = params![user.0.as_bytes(), id.0.as_bytes()];
    let found = connection
        .prepare_cached(sql)?
        .query_row(ids, |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)))
        .optional()?;
    let Some((issuer, has_another)) = found else { return Ok(Unlinked::Missing) };
    if !has_another {
        return Ok(Unlinked::LastWayIn);
    }
    connection.prepare_cached("DELETE FROM identities WHERE user_id = ?1 AND id = ?2")?.execute(ids)?;
    if issuer == GOOGLE {
        follow_google(connection, user, now)?;
    }
    Ok(Unlinked::Unlinked)
}
