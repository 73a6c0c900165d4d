//! Accounts by their e-mail address, in its one form or in the form that an earlier version stored.

use sotto_domain::UserId;
use sotto_domain::account::{Credentials, Email, GivenAddress};
use sotto_domain::storage::{StorageError, Users};

/// Finds the account that a person means by an address. `None` if there is none.
///
/// # Errors
/// Those of the storage.
pub async fn find(users: &dyn Users, given: &GivenAddress) -> Result<Option<Credentials>, StorageError> {
    for form in &given.forms {
        if let Some(found) = users.credentials(form).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Refuses a new address of `owner` (`None` for a new account) whose earlier form is another account's. The one form
/// itself is unique in storage.
///
/// # Errors
/// The conflict that the same form would cause, or those of the storage.
pub async fn expect_no_earlier_form(
    users: &dyn Users,
    email: &Email,
    owner: Option<UserId>,
) -> Result<(), StorageError> {
    let Some(earlier) = email.with_unicode_domain() else { return Ok(()) };
    match users.credentials(&earlier).await? {
        Some(found) if Some(found.user.id) != owner => {
            Err(StorageError::Conflict { constraint: "idx_users_email".into() })
        }
        _ => Ok(()),
    }
}
