//! A row per route: what it requires of its caller.

use std::collections::BTreeSet;

use reqwest::Method;
use sotto_domain::api_token::Scope;

/// What a route requires.
#[derive(Debug, Clone, Copy)]
pub enum Access {
    /// Nothing.
    Anyone,
    /// Nothing, but cookies may not come from another site.
    AnyoneOnThisSite,
    /// A session. API tokens are refused.
    Session,
    /// The session of a user who has signed in or confirmed within the last 15 minutes.
    RecentSession,
    /// A session, or an API token with this scope.
    Scope(Scope),
    /// The session of a superuser, for a change one who has signed in or confirmed within the last 15 minutes.
    Superuser,
}

impl Access {
    /// The credentials that the specification lists for such a route.
    pub fn security(self) -> BTreeSet<String> {
        let sessions = ["bearer".to_owned(), "password".to_owned()];
        match self {
            Self::Anyone | Self::AnyoneOnThisSite => BTreeSet::new(),
            Self::Session | Self::RecentSession | Self::Superuser => sessions.into(),
            Self::Scope(scope) => sessions.into_iter().chain([scope.name().to_owned()]).collect(),
        }
    }
}

pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub access: Access,
}

impl Route {
    /// The method and the path.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether the request is safe (RFC 9110, section 9.2.1), so that a cookie may come from another site.
    pub fn is_safe(&self) -> bool {
        [Method::GET, Method::HEAD].contains(&self.method)
    }

    pub fn has_body(&self) -> bool {
        !self.is_safe()
    }
}

const fn route(method: Method, path: &'static str, access: Access) -> Route {
    Route { method, path, access }
}

pub static ROUTES: [Route; 68] = [
    route(Method::GET, "/api/server", Access::Anyone),
    route(Method::POST, "/api/auth/register", Access::Anyone),
    route(Method::POST, "/api/auth/login", Access::Anyone),
    route(Method::POST, "/api/auth/refresh", Access::Anyone),
    route(Method::POST, "/api/auth/logout", Access::AnyoneOnThisSite),
    route(Method::POST, "/api/auth/confirm", Access::Session),
    route(Method::GET, "/api/auth/oidc/{provider}/start", Access::Anyone),
    route(Method::GET, "/api/auth/oidc/{provider}/callback", Access::Anyone),
    route(Method::GET, "/api/users/me", Access::Session),
    route(Method::PUT, "/api/users/me", Access::Session),
    route(Method::DELETE, "/api/users/me", Access::Session),
    route(Method::GET, "/api/users/me/draft-key", Access::Session),
    route(Method::GET, "/api/users/me/export", Access::RecentSession),
    route(Method::PUT, "/api/users/me/password", Access::Session),
    route(Method::GET, "/api/users/me/sessions", Access::Session),
    route(Method::DELETE, "/api/users/me/sessions/{session_id}", Access::Session),
    route(Method::GET, "/api/users/me/activity", Access::Session),
    route(Method::GET, "/api/users/me/identities", Access::Session),
    route(Method::DELETE, "/api/users/me/identities/{identity_id}", Access::RecentSession),
    route(Method::GET, "/api/users/me/tokens", Access::Session),
    route(Method::POST, "/api/users/me/tokens", Access::RecentSession),
    route(Method::DELETE, "/api/users/me/tokens/{token_id}", Access::Session),
    route(Method::GET, "/api/journals/", Access::Scope(Scope::EntriesRead)),
    route(Method::POST, "/api/journals/", Access::Scope(Scope::EntriesWrite)),
    route(Method::GET, "/api/journals/calendar", Access::Scope(Scope::EntriesRead)),
    route(Method::GET, "/api/journals/on-this-day", Access::Scope(Scope::EntriesRead)),
    route(Method::GET, "/api/journals/stats", Access::Scope(Scope::EntriesRead)),
    route(Method::GET, "/api/journals/{entry_id}", Access::Scope(Scope::EntriesRead)),
    route(Method::PUT, "/api/journals/{entry_id}", Access::Scope(Scope::EntriesWrite)),
    route(Method::DELETE, "/api/journals/{entry_id}", Access::Scope(Scope::EntriesWrite)),
    route(Method::GET, "/api/journals/{entry_id}/audio", Access::Scope(Scope::EntriesRead)),
    route(Method::PUT, "/api/journals/{entry_id}/audio", Access::Scope(Scope::EntriesWrite)),
    route(Method::DELETE, "/api/journals/{entry_id}/audio", Access::Scope(Scope::EntriesWrite)),
    route(Method::HEAD, "/api/journals/{entry_id}/audio", Access::Scope(Scope::EntriesRead)),
    route(Method::GET, "/api/tags/", Access::Scope(Scope::TagsRead)),
    route(Method::POST, "/api/tags/", Access::Scope(Scope::TagsWrite)),
    route(Method::GET, "/api/tags/{tag_id}", Access::Scope(Scope::TagsRead)),
    route(Method::PUT, "/api/tags/{tag_id}", Access::Scope(Scope::TagsWrite)),
    route(Method::DELETE, "/api/tags/{tag_id}", Access::Scope(Scope::TagsWrite)),
    route(Method::GET, "/api/reminders/", Access::Scope(Scope::RemindersRead)),
    route(Method::POST, "/api/reminders/", Access::Scope(Scope::RemindersWrite)),
    route(Method::POST, "/api/reminders/preview", Access::Scope(Scope::RemindersRead)),
    route(Method::GET, "/api/reminders/{reminder_id}", Access::Scope(Scope::RemindersRead)),
    route(Method::PUT, "/api/reminders/{reminder_id}", Access::Scope(Scope::RemindersWrite)),
    route(Method::DELETE, "/api/reminders/{reminder_id}", Access::Scope(Scope::RemindersWrite)),
    route(Method::GET, "/api/secret-tags/", Access::Session),
    route(Method::PUT, "/api/secret-tags/{secret_tag_id}", Access::Session),
    route(Method::DELETE, "/api/secret-tags/{secret_tag_id}", Access::Session),
    route(Method::POST, "/api/secret-tags/register/start", Access::Session),
    route(Method::POST, "/api/secret-tags/register/finish", Access::Session),
    route(Method::POST, "/api/secret-tags/{secret_tag_id}/unlock/start", Access::Session),
    route(Method::POST, "/api/secret-tags/{secret_tag_id}/unlock/finish", Access::Session),
    route(Method::POST, "/api/secret-tags/{secret_tag_id}/lock", Access::Session),
    route(Method::POST, "/api/secret-tags/lock", Access::Session),
    route(Method::POST, "/api/secret-tags/{secret_tag_id}/phrase/start", Access::Session),
    route(Method::POST, "/api/secret-tags/{secret_tag_id}/phrase/finish", Access::Session),
    route(Method::POST, "/api/secret-tags/{secret_tag_id}/recover/start", Access::Session),
    route(Method::POST, "/api/secret-tags/{secret_tag_id}/recover/finish", Access::Session),
    route(Method::GET, "/api/opaque-sessions/", Access::Session),
    route(Method::DELETE, "/api/opaque-sessions/{opaque_session_id}", Access::Session),
    route(Method::GET, "/api/admin/database", Access::Superuser),
    route(Method::GET, "/api/admin/users", Access::Superuser),
    route(Method::POST, "/api/admin/users", Access::Superuser),
    route(Method::PUT, "/api/admin/users/{user_id}", Access::Superuser),
    route(Method::DELETE, "/api/admin/users/{user_id}", Access::Superuser),
    route(Method::GET, "/health/live", Access::Anyone),
    route(Method::GET, "/health/ready", Access::Anyone),
    route(Method::GET, "/metrics", Access::Anyone),
];
