//! Who sends a request and what they may do: sessions, API tokens, passwords, unlock tokens and sign-in with providers.

pub mod addresses;
pub mod api_tokens;
mod caller;
pub mod cookies;
mod hashing;
pub mod oidc;
pub mod password;
pub mod rate_limits;
pub mod registration;
pub mod session_tokens;
pub mod unlock_tokens;

pub use caller::{
    Authorized, Caller, EntriesRead, EntriesWrite, RecentlySignedIn, RemindersRead, RemindersWrite, SESSION_ENDED,
    SignedIn, Superuser, TagsRead, TagsWrite, bearer, refuse_cross_site, stored_session, valid_session,
};
