//! Stores identities at providers.

use async_trait::async_trait;
use sotto_domain::account::{NewUser, User};
use sotto_domain::identity::{GOOGLE, Identity, Unlinked};
use sotto_domain::storage::{Identities, Result};
use sotto_domain::{IdentityId, Timestamp, UserId};

use super::Postgres;
use super::lease::Lease;
use super::pool::Parameters;
use super::row::read_row;
use super::secret_tags::LOCK_USER;
use super::users::begin_and_find_accounts;
use super::values::{Instant, read, read_rows};
use crate::rows::{identity_columns, user_columns};

const FIND: &str = concat!(
    "SELECT ",
    user_columns!(),
    " FROM identities i JOIN users ON users.id = i.user_id WHERE i.issuer = $1 AND i.subject = $2"
);

const LINK: &str = "INSERT INTO identities (user_id, id, issuer, subject, email, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $6)";

const SIGN_UP: &str = "INSERT INTO users
    (id, email, email_verified_at, full_name, is_superuser, time_zone, avatar_url, google_id, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";

// Of several Google identities, the account refers to one. Any will do, as long as it is always the same one.
const FOLLOW_GOOGLE: &str = "UPDATE users
    SET google_id = (SELECT min(subject) FROM identities WHERE user_id = $1 AND issuer = $2), updated_at = $3
    WHERE id = $1";

const LIST: &str =
    concat!("SELECT ", identity_columns!(), " FROM identities WHERE user_id = $1 ORDER BY created_at, id LIMIT 1000");

const ANOTHER_WAY_IN: &str = "SELECT i.issuer,
        EXISTS (SELECT 1 FROM users WHERE id = $1 AND hashed_password IS NOT NULL)
        OR EXISTS (SELECT 1 FROM identities o WHERE o.user_id = $1 AND o.id <> $2)
    FROM identities i WHERE i.user_id = $1 AND i.id = $2";

const UNLINK: &str = "DELETE FROM identities WHERE user_id = $1 AND id = $2";

#[async_trait]
impl Identities for Postgres {
    async fn find(&self, issuer: &str, subject: &str) -> Result<Option<User>> {
        self.pool.query_opt(FIND, &[&issuer, &subject]).await?.as_ref().map(read_row).transpose()
    }

    async fn link(&self, identity: &Identity) -> Result<()> {
        let lease = self.pool.lease().await?;
        let (link, follow) = (lease.prepare(LINK).await?, lease.prepare(FOLLOW_GOOGLE).await?);
        let (client, now) = (lease.client()?, Instant(identity.created_at));
        let parameters: Parameters<'_> =
            &[&identity.user_id.0, &identity.id.0, &identity.issuer, &identity.subject, &identity.email, &now];
        let of_google: Parameters<'_> = &[&identity.user_id.0, &GOOGLE, &now];
        let both = Box::pin(async {
            if identity.issuer != GOOGLE {
                return client.execute(&link, parameters).await.map(drop);
            }
            tokio::try_join!(biased; client.execute(&link, parameters), client.execute(&follow, of_google)).map(drop)
        });
        lease.transaction(both).await
    }

    async fn sign_up(
        &self,
        new: &NewUser,
        avatar_url: Option<&str>,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<User> {
        let lease = self.pool.lease().await?;
        lease.begin(async { Ok(()) }).await?;
        sign_up(&lease, new, avatar_url, identity, now).await
    }

    async fn sign_up_first(
        &self,
        new: &NewUser,
        avatar_url: Option<&str>,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<Option<User>> {
        let lease = self.pool.lease().await?;
        if begin_and_find_accounts(&lease).await? {
            return Ok(None);
        }
        sign_up(&lease, new, avatar_url, identity, now).await.map(Some)
    }

    async fn list(&self, user: UserId) -> Result<Vec<Identity>> {
        read_rows(&self.pool.query(LIST, &[&user.0]).await?, read_row)
    }

    async fn unlink(&self, user: UserId, id: IdentityId, now: Timestamp) -> Result<Unlinked> {
        let lease = self.pool.lease().await?;
        let (lock, search) = (lease.prepare(LOCK_USER).await?, lease.prepare(ANOTHER_WAY_IN).await?);
        let (unlink, follow) = (lease.prepare(UNLINK).await?, lease.prepare(FOLLOW_GOOGLE).await?);
        let client = lease.client()?;
        let (owner, one): (Parameters<'_>, Parameters<'_>) = (&[&user.0], &[&user.0, &id.0]);
        let first =
            Box::pin(async { tokio::try_join!(biased; client.execute(&lock, owner), client.query_opt(&search, one)) });
        let (_, found) = lease.begin(first).await?;
        let Some(found) = found else { return Ok(Unlinked::Missing) };
        if !read::<bool>(&found, 1)? {
            return Ok(Unlinked::LastWayIn);
        }
        let is_google = read::<&str>(&found, 0)? == GOOGLE;
        let now = Instant(now);
        let of_google: Parameters<'_> = &[&user.0, &GOOGLE, &now];
        let last = Box::pin(async {
            if !is_google {
                return client.execute(&unlink, one).await.map(drop);
            }
            tokio::try_join!(biased; client.execute(&unlink, one), client.execute(&follow, of_google)).map(drop)
        });
        lease.commit(last).await?;
        Ok(Unlinked::Unlinked)
    }
}

/// Stores the account and the identity, and commits the transaction that has begun.
async fn sign_up(
    lease: &Lease<'_>,
    new: &NewUser,
    avatar_url: Option<&str>,
    identity: &Identity,
    now: Timestamp,
) -> Result<User> {
    let google_id = (identity.issuer == GOOGLE).then(|| identity.subject.clone());
    let (make, link) = (lease.prepare(SIGN_UP).await?, lease.prepare(LINK).await?);
    let client = lease.client()?;
    let account: Parameters<'_> = &[
        &new.id.0,
        &new.email.as_str(),
        &new.email_verified.then_some(Instant(now)),
        &new.full_name,
        &new.is_superuser,
        &new.time_zone.name(),
        &avatar_url,
        &google_id,
        &Instant(now),
    ];
    let linked: Parameters<'_> =
        &[&new.id.0, &identity.id.0, &identity.issuer, &identity.subject, &identity.email, &Instant(now)];
    let both =
        Box::pin(async { tokio::try_join!(biased; client.execute(&make, account), client.execute(&link, linked)) });
    lease.commit(both).await?;
    let without_password = NewUser { password_hash: None, ..new.clone() };
    Ok(User { google_id, avatar_url: avatar_url.map(str::to_owned), ..without_password.created(now) })
}
