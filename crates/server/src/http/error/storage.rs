//! Converts errors of the database and of the attachment store into errors of the API.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use sotto_domain::storage::StorageError;

use super::{ApiError, Code};

impl From<object_store::Error> for ApiError {
    fn from(error: object_store::Error) -> Self {
        if is_out_of_space(&error) { Self::DiskFull(Arc::new(error)) } else { Self::StoreUnavailable(Arc::new(error)) }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        metrics::counter!("sotto_storage_errors_total", "kind" => kind(&error)).increment(1);
        match &error {
            StorageError::Conflict { constraint } => match constraint.as_str() {
                "idx_users_email" => {
                    Self::Conflict(Code::EmailTaken, "This e-mail address already has an account.", None)
                }
                "uq_tags_user_name" | "uq_tags_user_name_key" => {
                    Self::Conflict(Code::TagNameTaken, "You already have a tag with this name.", None)
                }
                "uq_identities_issuer_subject" => {
                    Self::Conflict(Code::IdentityTaken, "This identity is already linked to an account.", None)
                }
                // Another request with the same key is faster. `IdempotencyKey::create` looks up its row.
                "pk_idempotency_keys" => Self::Busy,
                // The account was deleted during the request.
                "fk_journal_entries_user"
                | "fk_tags_user"
                | "fk_reminders_user"
                | "fk_login_sessions_user"
                | "fk_identities_user"
                | "fk_api_tokens_user"
                | "fk_secret_tags_user"
                | "fk_opaque_sessions_user"
                | "fk_idempotency_keys_user"
                | "fk_security_events_user" => Self::Unauthorized(Code::AccountGone, "This account no longer exists."),
                _ => Self::internal(error),
            },
            StorageError::Busy => Self::Busy,
            StorageError::Unavailable(_) => Self::Unavailable(Arc::new(error)),
            StorageError::Full(_) => Self::DiskFull(Arc::new(error)),
            StorageError::Unknown(_) => Self::OutcomeUnknown(Arc::new(error)),
            StorageError::Corrupt(_) | StorageError::Other(_) => Self::internal(error),
        }
    }
}

fn kind(error: &StorageError) -> &'static str {
    match error {
        StorageError::Conflict { .. } => "conflict",
        StorageError::Busy => "busy",
        StorageError::Corrupt(_) => "corrupt",
        StorageError::Unavailable(_) => "unavailable",
        StorageError::Full(_) => "full",
        StorageError::Unknown(_) => "unknown",
        StorageError::Other(_) => "other",
    }
}

/// Whether an error or one of its sources is a full disk, a quota or a size limit.
pub fn is_out_of_space(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_recognised_behind_the_store() {
        let error = |kind| object_store::Error::Generic { store: "folder", source: Box::new(io::Error::from(kind)) };
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge] {
            assert!(is_out_of_space(&error(kind)), "{kind}");
        }
        assert!(!is_out_of_space(&error(ErrorKind::PermissionDenied)));
    }
}
