//! Stores accounts.

use async_trait::async_trait;
use sotto_domain::account::{
    AccountPatch, Administered, Credentials, DraftKey, Email, NewUser, PasswordHash, Preferences, Revoked, User,
    UserPatch, UserQuery,
};
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::storage::{Result, Users};
use sotto_domain::{SessionId, Timestamp, UserId, Zone};
use tokio_postgres::Row;

use super::Postgres;
use super::error::corrupt;
use super::lease::Lease;
use super::pool::Parameters;
use super::reminders::{MOVE_REMINDERS, MovedReminders};
use super::row::read_row;
use super::secret_tags::LOCK_USER;
use super::values::{Instant, read, read_rows, zone};
use crate::rows::user_columns;

const CREATE: &str = "INSERT INTO users
    (id, email, email_verified_at, hashed_password, full_name, is_superuser, time_zone, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";

/// The key of the advisory lock for creating the first account (`Sotto` and `1st` in ASCII).
const FIRST_ACCOUNT: i64 = 0x536f_7474_6f31_7374;

const ANY_ACCOUNT: &str = "SELECT 1 FROM users LIMIT 1";

const GET: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1");

const CREDENTIALS: &str = concat!("SELECT ", user_columns!(), ", hashed_password FROM users WHERE email = $1");

// For each field that may be cleared, a flag says whether to set it.
const UPDATE: &str = concat!(
    "UPDATE users SET
        email = coalesce($2, email),
        email_verified_at = CASE WHEN $2 <> email THEN NULL ELSE email_verified_at END,
        full_name = CASE WHEN $3 THEN $4 ELSE full_name END,
        avatar_url = CASE WHEN $5 THEN $6 ELSE avatar_url END,
        time_zone = coalesce($7, time_zone),
        preferences = coalesce($8, preferences),
        updated_at = $9
    WHERE id = $1 RETURNING ",
    user_columns!()
);

// While this lock is held, no other call changes the account, so none moves its reminders.
/// The strongest lock, because the update can change the address, which is a unique column: a weaker lock would have to
/// be upgraded then, and two calls that do so wait for each other.
const LOCK_ZONE: &str = "SELECT time_zone FROM users WHERE id = $1 FOR UPDATE";

const SET_PASSWORD: &str = "UPDATE users SET hashed_password = $2, updated_at = $3
    WHERE id = $1 AND ($4::uuid IS NULL OR EXISTS (
        SELECT 1 FROM login_sessions WHERE id = $4::uuid AND user_id = $1))";

const END_OTHER_SESSIONS: &str = "DELETE FROM login_sessions WHERE user_id = $1 AND id IS DISTINCT FROM $2";

const RESET_PASSWORD: &str = "UPDATE users SET hashed_password = $2, google_id = NULL, updated_at = $3 WHERE id = $1";

const DELETE_API_TOKENS: &str = "DELETE FROM api_tokens WHERE user_id = $1";

const DELETE_IDENTITIES: &str = "DELETE FROM identities WHERE user_id = $1";

const VERIFY_EMAIL: &str = "UPDATE users SET email_verified_at = $3, updated_at = $3
    WHERE id = $1 AND email = $2 AND email_verified_at IS NULL";

const SET_ACTIVE: &str = "UPDATE users SET is_active = $2, updated_at = $3 WHERE id = $1";

const PREFERENCES: &str = "SELECT preferences FROM users WHERE id = $1";

const DRAFT_KEY: &str = "SELECT draft_key FROM users WHERE id = $1 AND draft_key IS NOT NULL";

const KEEP_DRAFT_KEY: &str = "UPDATE users SET draft_key = $2, updated_at = $3 WHERE id = $1 AND draft_key IS NULL";

// The name may be cleared, so a flag says whether to set it.
const ADMINISTER: &str = concat!(
    "UPDATE users SET
        is_active = coalesce($2, is_active),
        is_superuser = coalesce($3, is_superuser),
        full_name = CASE WHEN $4 THEN $5 ELSE full_name END,
        hashed_password = coalesce($6, hashed_password),
        updated_at = $7,
        email = $8,
        email_verified_at = $9
    WHERE id = $1 RETURNING ",
    user_columns!()
);

/// Locks the account to be administered.
const LOCK_ACCOUNT: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1 FOR UPDATE");

const LOCK: &str = "SELECT is_active AND is_superuser FROM users WHERE id = $1 FOR UPDATE";

/// The key of the advisory lock for changes that remove a superuser (`Sotto` and `sup` in ASCII). Advisory locks are
/// per database.
const SUPERUSERS: i64 = 0x536f_7474_6f73_7570;

const ADVISORY_LOCK: &str = "SELECT pg_advisory_xact_lock($1)";

const OTHER_SUPERUSER: &str = "SELECT 1 FROM users WHERE is_superuser AND is_active AND id <> $1 LIMIT 1";

const END_SESSIONS: &str = "DELETE FROM login_sessions WHERE user_id = $1";

// Selects the links by their entries, because no index of the links starts with the user.
const DELETE_LINKS: &str = "DELETE FROM journal_entry_tags
    WHERE user_id = $1 AND entry_id IN (SELECT id FROM journal_entries WHERE user_id = $1)";

const DELETE_ENTRIES: &str = "WITH freed AS (
        INSERT INTO freed_attachments (id, user_id)
        SELECT id, user_id FROM attachments WHERE user_id = $1 ON CONFLICT (id) DO NOTHING)
    DELETE FROM journal_entries WHERE user_id = $1";

const DELETE: &str = "DELETE FROM users WHERE id = $1";

// The list starts after the empty address, which no user has.
const LIST: &str = concat!(
    "SELECT ",
    user_columns!(),
    r#" FROM users
    WHERE email > coalesce($1, '')
        AND ($2::text IS NULL OR strpos(email, $2) > 0 OR strpos(lower(full_name COLLATE "C"), $3) > 0)
    ORDER BY email LIMIT $4"#
);

#[async_trait]
impl Users for Postgres {
    async fn create(&self, new: &NewUser, key: Option<KeyedCreate>, now: Timestamp) -> Result<User> {
        let hash = new.password_hash.as_ref().map(|hash| hash.0.as_str());
        let parameters: Parameters<'_> = &[
            &new.id.0,
            &new.email.as_str(),
            &new.email_verified.then_some(Instant(now)),
            &hash,
            &new.full_name,
            &new.is_superuser,
            &new.time_zone.name(),
            &Instant(now),
        ];
        self.create_keyed(CREATE, parameters, key, new.id.0, now).await?;
        Ok(new.clone().created(now))
    }

    async fn create_first(&self, new: &NewUser, now: Timestamp) -> Result<Option<User>> {
        let hash = new.password_hash.as_ref().map(|hash| hash.0.as_str());
        let (verified, now_sent) = (new.email_verified.then_some(Instant(now)), Instant(now));
        let (email, zone) = (new.email.as_str(), new.time_zone.name());
        let lease = self.pool.lease().await?;
        let create = lease.prepare(CREATE).await?;
        if begin_and_find_accounts(&lease).await? {
            return Ok(None);
        }
        let parameters: Parameters<'_> =
            &[&new.id.0, &email, &verified, &hash, &new.full_name, &new.is_superuser, &zone, &now_sent];
        lease.commit(lease.client()?.execute(&create, parameters)).await?;
        Ok(Some(new.clone().created(now)))
    }

    async fn get(&self, id: UserId) -> Result<Option<User>> {
        self.pool.query_opt(GET, &[&id.0]).await?.as_ref().map(read_row).transpose()
    }

    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>> {
        let row = self.pool.query_opt(CREDENTIALS, &[&email.as_str()]).await?;
        row.as_ref().map(read_row).transpose()
    }

    async fn update(&self, id: UserId, patch: &UserPatch, now: Timestamp) -> Result<Option<User>> {
        let parameters: Parameters<'_> = &[
            &id.0,
            &patch.email.as_ref().map(Email::as_str),
            &patch.full_name.is_some(),
            &patch.full_name.as_ref().and_then(Option::as_deref),
            &patch.avatar_url.is_some(),
            &patch.avatar_url.as_ref().and_then(Option::as_deref),
            &patch.time_zone.as_ref().map(Zone::name),
            &patch.preferences.as_ref().map(Preferences::to_text),
            &Instant(now),
        ];
        let Some(new_zone) = &patch.time_zone else {
            return self.pool.query_opt(UPDATE, parameters).await?.as_ref().map(read_row).transpose();
        };
        let lease = self.pool.lease().await?;
        let (lock, update) = (lease.prepare(LOCK_ZONE).await?, lease.prepare(UPDATE).await?);
        let move_reminders = lease.prepare(MOVE_REMINDERS).await?;
        let client = lease.client()?;
        let Some(row) = lease.begin(client.query_opt(&lock, &[&id.0])).await? else { return Ok(None) };
        let old_zone = zone(&row, 0)?;
        let moved = if old_zone.name() == new_zone.name() {
            MovedReminders::default()
        } else {
            MovedReminders::read(&lease, id, &old_zone, new_zone, now).await?
        };
        let (zone_name, now) = (new_zone.name(), Instant(now));
        let to_move: Parameters<'_> = &[&id.0, &zone_name, &now, &moved.ids, &moved.times, &moved.next_due];
        let write = Box::pin(async {
            let reminders =
                async { if moved.ids.is_empty() { Ok(0) } else { client.execute(&move_reminders, to_move).await } };
            tokio::try_join!(biased; client.query_one(&update, parameters), reminders)
        });
        let (row, _) = lease.commit(write).await?;
        read_row(&row).map(Some)
    }

    async fn preferences(&self, id: UserId) -> Result<Option<Preferences>> {
        self.pool.query_opt(PREFERENCES, &[&id.0]).await?.as_ref().map(preferences).transpose()
    }

    async fn draft_key(&self, id: UserId, fresh: &DraftKey, now: Timestamp) -> Result<Option<DraftKey>> {
        let key: Parameters<'_> = &[&id.0];
        // Only the first call has something to write.
        if let Some(row) = self.pool.query_opt(DRAFT_KEY, key).await? {
            return draft_key(&row).map(Some);
        }
        let lease = self.pool.lease().await?;
        let (keep, kept) = (lease.prepare(KEEP_DRAFT_KEY).await?, lease.prepare(DRAFT_KEY).await?);
        let (client, now) = (lease.client()?, Instant(now));
        let parameters: Parameters<'_> = &[&id.0, &fresh.0.as_slice(), &now];
        let both = Box::pin(async {
            tokio::try_join!(biased; client.execute(&keep, parameters), client.query_opt(&kept, key))
        });
        let (_, row) = lease.transaction(both).await?;
        row.as_ref().map(draft_key).transpose()
    }

    async fn set_password(
        &self,
        id: UserId,
        hash: &PasswordHash,
        keep: Option<SessionId>,
        delete_api_tokens: bool,
        now: Timestamp,
    ) -> Result<bool> {
        let lease = self.pool.lease().await?;
        let (lock, set) = (lease.prepare(LOCK_USER).await?, lease.prepare(SET_PASSWORD).await?);
        let (end, delete) = (lease.prepare(END_OTHER_SESSIONS).await?, lease.prepare(DELETE_API_TOKENS).await?);
        let (client, keep, now) = (lease.client()?, keep.map(|keep| keep.0), Instant(now));
        let owner: Parameters<'_> = &[&id.0];
        let (password, others): (Parameters<'_>, Parameters<'_>) = (&[&id.0, &hash.0, &now, &keep], &[&id.0, &keep]);
        // Having waited for the lock, the update sees which sessions a concurrent call has ended.
        let first =
            Box::pin(async { tokio::try_join!(biased; client.execute(&lock, owner), client.execute(&set, password)) });
        let (_, users) = lease.begin(first).await?;
        if users == 0 {
            return Ok(false);
        }
        let rest = Box::pin(async {
            let tokens = async { if delete_api_tokens { client.execute(&delete, owner).await } else { Ok(0) } };
            tokio::try_join!(biased; client.execute(&end, others), tokens)
        });
        lease.commit(rest).await?;
        Ok(true)
    }

    async fn reset_credentials(&self, id: UserId, hash: &PasswordHash, now: Timestamp) -> Result<Option<Revoked>> {
        let lease = self.pool.lease().await?;
        let (set, end) = (lease.prepare(RESET_PASSWORD).await?, lease.prepare(END_SESSIONS).await?);
        let (tokens, identities) = (lease.prepare(DELETE_API_TOKENS).await?, lease.prepare(DELETE_IDENTITIES).await?);
        let (client, now) = (lease.client()?, Instant(now));
        let (password, owner): (Parameters<'_>, Parameters<'_>) = (&[&id.0, &hash.0, &now], &[&id.0]);
        let all = Box::pin(async {
            tokio::try_join!(biased;
                client.execute(&set, password),
                client.execute(&end, owner),
                client.execute(&tokens, owner),
                client.execute(&identities, owner),
            )
        });
        let (users, sessions, api_tokens, identities) = lease.transaction(all).await?;
        Ok((users > 0).then_some(Revoked { sessions, api_tokens, identities }))
    }

    async fn verify_email(&self, id: UserId, email: &Email, now: Timestamp) -> Result<bool> {
        Ok(self.pool.execute(VERIFY_EMAIL, &[&id.0, &email.as_str(), &Instant(now)]).await? > 0)
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

    async fn administer(&self, id: UserId, patch: &AccountPatch, now: Timestamp) -> Result<Administered<User>> {
        let lease = self.pool.lease().await?;
        let (lock, change) = (lease.prepare(LOCK_ACCOUNT).await?, lease.prepare(ADMINISTER).await?);
        let end = lease.prepare(END_SESSIONS).await?;
        let client = lease.client()?;
        let key: Parameters<'_> = &[&id.0];
        let Some(row) = lease.begin(client.query_opt(&lock, key)).await? else { return Ok(Administered::Missing) };
        let old: User = read_row(&row)?;
        let is_superuser = old.is_active && old.is_superuser;
        if patch.takes_superuser_away() && is_superuser && is_last_superuser(&lease, id).await? {
            return Ok(Administered::LastSuperuser);
        }
        let name = patch.full_name.as_ref().and_then(Option::as_deref);
        let hash = patch.password_hash.as_ref().map(|hash| hash.0.as_str());
        let verified = patch.email_verified_at(&old, now).map(Instant);
        let email = patch.email.as_ref().unwrap_or(&old.email).as_str();
        let (names, now) = (patch.full_name.is_some(), Instant(now));
        let parameters: Parameters<'_> =
            &[&id.0, &patch.is_active, &patch.is_superuser, &names, &name, &hash, &now, &email, &verified];
        let write = Box::pin(async {
            let sessions = async { if patch.ends_sessions() { client.execute(&end, key).await } else { Ok(0) } };
            tokio::try_join!(biased; client.query_one(&change, parameters), sessions)
        });
        let (row, _) = lease.commit(write).await?;
        read_row(&row).map(Administered::Done)
    }

    /// Deletes the entries before the user. Deleting the user deletes the secret tags, and a secret tag cannot be
    /// deleted while it has entries.
    async fn delete(&self, id: UserId) -> Result<Administered<()>> {
        let lease = self.pool.lease().await?;
        let (links, entries) = (lease.prepare(DELETE_LINKS).await?, lease.prepare(DELETE_ENTRIES).await?);
        let (lock, user) = (lease.prepare(LOCK).await?, lease.prepare(DELETE).await?);
        let client = lease.client()?;
        let id_sent: Parameters<'_> = &[&id.0];
        let Some(row) = lease.begin(client.query_opt(&lock, id_sent)).await? else { return Ok(Administered::Missing) };
        if read(&row, 0)? && is_last_superuser(&lease, id).await? {
            return Ok(Administered::LastSuperuser);
        }
        let all = Box::pin(async {
            tokio::try_join!(biased;
                client.execute(&links, id_sent),
                client.execute(&entries, id_sent),
                client.execute(&user, id_sent),
            )
        });
        lease.commit(all).await?;
        Ok(Administered::Done(()))
    }

    async fn list(&self, query: &UserQuery) -> Result<Vec<User>> {
        let (address, name) = query.needles();
        let parameters: Parameters<'_> =
            &[&query.after.as_ref().map(Email::as_str), &address, &name, &i64::from(query.limit)];
        read_rows(&self.pool.query(LIST, parameters).await?, read_row)
    }
}

/// Begins a transaction, and returns whether there are accounts. Concurrent callers wait here for each other's
/// transaction to end.
pub(super) async fn begin_and_find_accounts(lease: &Lease<'_>) -> Result<bool> {
    let lock = lease.prepare(ADVISORY_LOCK).await?;
    let key: Parameters<'_> = &[&FIRST_ACCOUNT];
    lease.begin(lease.client()?.execute(&lock, key)).await?;
    Ok(lease.query_opt(ANY_ACCOUNT, &[]).await?.is_some())
}

/// Concurrent callers wait here for each other's transaction to end.
async fn is_last_superuser(lease: &Lease<'_>, id: UserId) -> Result<bool> {
    lease.execute(ADVISORY_LOCK, &[&SUPERUSERS]).await?;
    Ok(lease.query_opt(OTHER_SUPERUSER, &[&id.0]).await?.is_none())
}

fn preferences(row: &Row) -> Result<Preferences> {
    let Some(text) = read::<Option<&str>>(row, 0)? else { return Ok(Preferences::default()) };
    Preferences::from_text(text).ok_or_else(|| corrupt("preferences", "not a JSON object"))
}

fn draft_key(row: &Row) -> Result<DraftKey> {
    read::<&[u8]>(row, 0)?.try_into().map(DraftKey).map_err(|_| corrupt("draft_key", "not 32 bytes"))
}
