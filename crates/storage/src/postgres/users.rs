//! Accounts.

use async_trait::async_trait;
use sotto_domain::account::{Credentials, Email, NewUser, PasswordHash, User, UserPatch};
use sotto_domain::storage::{Result, Users};
use sotto_domain::{SessionId, Timestamp, UserId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Postgres;
use super::pool::Parameters;
use super::values::{Instant, all, instant, read, zone};

macro_rules! columns {
    () => {
        "id, email, full_name, is_active, is_superuser, google_id, avatar_url, time_zone, created_at, updated_at"
    };
}

const CREATE: &str = "INSERT INTO users
    (id, email, hashed_password, full_name, is_superuser, time_zone, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";

const GET: &str = concat!("SELECT ", columns!(), " FROM users WHERE id = $1");

const CREDENTIALS: &str = concat!("SELECT ", columns!(), ", hashed_password FROM users WHERE email = $1");

// A flag says whether a field that may be cleared is to be set.
const UPDATE: &str = concat!(
    "UPDATE users SET
        email = coalesce($2, email),
        full_name = CASE WHEN $3 THEN $4 ELSE full_name END,
        avatar_url = CASE WHEN $5 THEN $6 ELSE avatar_url END,
        time_zone = coalesce($7, time_zone),
        updated_at = $8
    WHERE id = $1 RETURNING ",
    columns!()
);

const SET_PASSWORD: &str = "UPDATE users SET hashed_password = $2, updated_at = $3 WHERE id = $1";

const END_OTHER_SESSIONS: &str = "DELETE FROM login_sessions WHERE user_id = $1 AND id IS DISTINCT FROM $2";

const SET_ACTIVE: &str = "UPDATE users SET is_active = $2, updated_at = $3 WHERE id = $1";

const END_SESSIONS: &str = "DELETE FROM login_sessions WHERE user_id = $1";

// By the entries, because no index of the links leads with the user.
const DELETE_LINKS: &str = "DELETE FROM journal_entry_tags
    WHERE user_id = $1 AND entry_id IN (SELECT id FROM journal_entries WHERE user_id = $1)";

const DELETE_ENTRIES: &str = "DELETE FROM journal_entries WHERE user_id = $1";

const DELETE: &str = "DELETE FROM users WHERE id = $1";

const LIST: &str = concat!("SELECT ", columns!(), " FROM users WHERE id > $1 ORDER BY id LIMIT $2");

#[async_trait]
impl Users for Postgres {
    async fn create(&self, new: &NewUser, now: Timestamp) -> Result<User> {
        let hash = new.password_hash.as_ref().map(|hash| hash.0.as_str());
        self.pool
            .execute(
                CREATE,
                &[
                    &new.id.0,
                    &new.email.as_str(),
                    &hash,
                    &new.full_name,
                    &new.is_superuser,
                    &new.time_zone.name(),
                    &Instant(now),
                ],
            )
            .await?;
        Ok(User {
            id: new.id,
            email: new.email.clone(),
            full_name: new.full_name.clone(),
            is_active: true,
            is_superuser: new.is_superuser,
            google_id: None,
            avatar_url: None,
            time_zone: new.time_zone.clone(),
            created_at: now,
            updated_at: now,
        })
    }

    async fn get(&self, id: UserId) -> Result<Option<User>> {
        self.pool.query_opt(GET, &[&id.0]).await?.as_ref().map(user).transpose()
    }

    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>> {
        let row = self.pool.query_opt(CREDENTIALS, &[&email.as_str()]).await?;
        let credentials = |row: &Row| {
            Ok(Credentials { user: user(row)?, password_hash: read::<Option<_>>(row, 10)?.map(PasswordHash) })
        };
        row.as_ref().map(credentials).transpose()
    }

    async fn update(&self, id: UserId, patch: &UserPatch, now: Timestamp) -> Result<Option<User>> {
        let row = self
            .pool
            .query_opt(
                UPDATE,
                &[
                    &id.0,
                    &patch.email.as_ref().map(Email::as_str),
                    &patch.full_name.is_some(),
                    &patch.full_name.as_ref().and_then(Option::as_deref),
                    &patch.avatar_url.is_some(),
                    &patch.avatar_url.as_ref().and_then(Option::as_deref),
                    &patch.time_zone.as_ref().map(sotto_domain::Zone::name),
                    &Instant(now),
                ],
            )
            .await?;
        row.as_ref().map(user).transpose()
    }

    async fn set_password(
        &self,
        id: UserId,
        hash: &PasswordHash,
        keep: Option<SessionId>,
        now: Timestamp,
    ) -> Result<bool> {
        let lease = self.pool.lease().await?;
        let (set, end) = (lease.prepare(SET_PASSWORD).await?, lease.prepare(END_OTHER_SESSIONS).await?);
        let (client, keep, now) = (lease.client()?, keep.map(|keep| keep.0), Instant(now));
        let (password, others): (Parameters<'_>, Parameters<'_>) = (&[&id.0, &hash.0, &now], &[&id.0, &keep]);
        let both =
            Box::pin(async { tokio::try_join!(biased; client.execute(&set, password), client.execute(&end, others)) });
        let (users, _) = lease.transaction(both).await?;
        Ok(users > 0)
    }

    async fn set_active(&self, id: UserId, active: bool, now: Timestamp) -> Result<bool> {
        if active {
            return Ok(self.pool.execute(SET_ACTIVE, &[&id.0, &true, &Instant(now)]).await? > 0);
        }
        let lease = self.pool.lease().await?;
        let (set, end) = (lease.prepare(SET_ACTIVE).await?, lease.prepare(END_SESSIONS).await?);
        let (client, now) = (lease.client()?, Instant(now));
        let (off, sessions): (Parameters<'_>, Parameters<'_>) = (&[&id.0, &false, &now], &[&id.0]);
        let both =
            Box::pin(async { tokio::try_join!(biased; client.execute(&set, off), client.execute(&end, sessions)) });
        let (users, _) = lease.transaction(both).await?;
        Ok(users > 0)
    }

    /// Entries go before the user, and so before the secret tags that some are under: those keep their entries from
    /// being orphaned.
    async fn delete(&self, id: UserId) -> Result<bool> {
        let lease = self.pool.lease().await?;
        let (links, entries) = (lease.prepare(DELETE_LINKS).await?, lease.prepare(DELETE_ENTRIES).await?);
        let user = lease.prepare(DELETE).await?;
        let client = lease.client()?;
        let id: Parameters<'_> = &[&id.0];
        let all = Box::pin(async {
            tokio::try_join!(biased;
                client.execute(&links, id),
                client.execute(&entries, id),
                client.execute(&user, id),
            )
        });
        let (_, _, users) = lease.transaction(all).await?;
        Ok(users > 0)
    }

    async fn list(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>> {
        let after = after.map_or(Uuid::nil(), |after| after.0);
        all(&self.pool.query(LIST, &[&after, &i64::from(limit)]).await?, user)
    }
}

/// Reads the columns of an account, which come first in the row.
pub fn user(row: &Row) -> Result<User> {
    Ok(User {
        id: UserId(read(row, 0)?),
        email: email(row, 1)?,
        full_name: read(row, 2)?,
        is_active: read(row, 3)?,
        is_superuser: read(row, 4)?,
        google_id: read(row, 5)?,
        avatar_url: read(row, 6)?,
        time_zone: zone(row, 7)?,
        created_at: instant(row, 8)?,
        updated_at: instant(row, 9)?,
    })
}

fn email(row: &Row, index: usize) -> Result<Email> {
    Email::parse(read(row, index)?).map_err(|message| super::error::corrupt("email", message))
}
