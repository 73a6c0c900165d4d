//! Tries, which are counted: whoever may ask the server as often as they like can try phrases.
//!
//! Each answer that is computed with a secret tag's OPRF key lets the one who asked try one phrase, and each recovery proof is a
//! try of its own. So each is a session among `opaque_sessions`, on whatever server, and storage says when the next may be.

use sotto_domain::secret_tag::{LOGIN_SECONDS, NewLogin, Started};
use sotto_domain::{OpaqueSessionId, SecretTagId, Timestamp};

use crate::app::App;
use crate::auth::SignedIn;
use crate::error::ApiError;

/// A try that is under way. It counts as failed until a new phrase is set, which ends it, or the secret tag is opened.
pub struct Attempt<'a> {
    app: &'a App,
    signed_in: &'a SignedIn,
    id: OpaqueSessionId,
}

impl<'a> Attempt<'a> {
    /// Begins a try at something else than a login: a new phrase, or a recovery.
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`], and those of storage.
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

    /// It has failed, and the owner will see it.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn failed(self) -> Result<(), ApiError> {
        let sessions = self.app.storage.opaque_sessions();
        sessions.take(self.signed_in.id(), self.id, self.app.now()).await?;
        Ok(())
    }
}

/// Keeps a try, unless too many failed.
///
/// # Errors
/// [`ApiError::TooManyRequests`], and those of storage.
pub async fn start(app: &App, login: &NewLogin, now: Timestamp) -> Result<(), ApiError> {
    match app.storage.opaque_sessions().start(login, now).await? {
        Started::Started => Ok(()),
        Started::Slowed(until) => {
            metrics::counter!("sotto_unlocks_total", "outcome" => "slowed").increment(1);
            Err(ApiError::wait_until(until, now))
        }
    }
}
