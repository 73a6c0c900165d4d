//! Attempts, which are counted to limit guessing.
//!
//! Each response that uses a secret tag's OPRF key lets the caller test one passphrase. So each is recorded as an
//! OPAQUE session, on any server of a cluster, and storage decides when the next one is allowed.
//!
//! The responses to recoveries are the exception: [`crate::auth::rate_limits`] counts them, so that nobody who guesses
//! passphrases locks the owner out of the recovery, too. Wrong recovery keys are also recorded here, for the owner to
//! see.

use sotto_domain::secret_tag::{LOGIN_SECONDS, NewLogin, Started};
use sotto_domain::{OpaqueSessionId, SecretTagId, Timestamp};

use crate::app::App;
use crate::auth::SignedIn;
use crate::http::error::ApiError;

/// An attempt in progress. It counts as failed unless it ends in a new passphrase, or in unlocking the secret tag.
pub struct Attempt<'a> {
    app: &'a App,
    signed_in: &'a SignedIn,
    id: OpaqueSessionId,
}

impl<'a> Attempt<'a> {
    /// Records an attempt that is not a login: a new passphrase.
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`] after too many failures.
    pub async fn begin(app: &'a App, signed_in: &'a SignedIn, tag: SecretTagId) -> Result<Self, ApiError> {
        let id = OpaqueSessionId::new(app.clock.as_ref(), app.random.as_ref());
        let now = app.now();
        let login = NewLogin {
            id,
            user_id: signed_in.id(),
            tag,
            state: Vec::new(),
            expires_at: now.plus_seconds(LOGIN_SECONDS),
        };
        start(app, &login, now).await?;
        Ok(Self { app, signed_in, id })
    }

    /// Marks the attempt as failed, so that the owner sees it.
    async fn failed(self) -> Result<(), ApiError> {
        let sessions = self.app.storage.opaque_sessions();
        sessions.take(self.signed_in.id(), self.id, self.app.now()).await?;
        Ok(())
    }
}

/// Records a wrong recovery key as a failed attempt, for the owner to see. It has been refused already, so it does not
/// matter whether attempts have to wait.
pub async fn note_failure(app: &App, signed_in: &SignedIn, tag: SecretTagId) -> Result<(), ApiError> {
    match Attempt::begin(app, signed_in, tag).await {
        Ok(attempt) => attempt.failed().await,
        Err(ApiError::TooManyRequests { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Records a login.
///
/// # Errors
/// [`ApiError::TooManyRequests`] after too many failures.
pub async fn start(app: &App, login: &NewLogin, now: Timestamp) -> Result<(), ApiError> {
    match app.storage.opaque_sessions().start(login, now).await? {
        Started::Started => Ok(()),
        Started::Slowed(until) => {
            metrics::counter!("sotto_unlocks_total", "outcome" => "slowed").increment(1);
            Err(ApiError::wait_until(until, now))
        }
    }
}
