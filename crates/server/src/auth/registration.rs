//! Whether a visitor may create an account.

use sotto_domain::account::UserQuery;
use sotto_domain::storage::StorageError;

use crate::app::App;
use crate::config::Registration;

/// Whether sign-up is possible now. With [`Registration::First`] another sign-up may come first, so storage decides in
/// the unit that creates the account.
///
/// # Errors
/// Those of the storage.
pub async fn is_possible(app: &App) -> Result<bool, StorageError> {
    match app.config.registration {
        Registration::Open => Ok(true),
        Registration::First => awaits_first_account(app).await,
        Registration::Closed => Ok(false),
    }
}

/// Whether there is no account, and sign-up is possible.
///
/// # Errors
/// Those of the storage.
pub async fn awaits_first_account(app: &App) -> Result<bool, StorageError> {
    let any = UserQuery { limit: 1, ..UserQuery::default() };
    Ok(app.config.registration != Registration::Closed && app.storage.users().list(&any).await?.is_empty())
}
