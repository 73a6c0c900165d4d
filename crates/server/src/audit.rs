//! The audit log: who signed in, what was refused, which credentials changed, and what superusers and the operator did.
//!
//! Each event is one line of the log, with the target `sotto::audit`. Events that the owner of an account should know
//! are stored too, as [`SecurityEvent`]s. `docs/operation.md` lists the fields and the events.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use ipnet::IpNet;
use sotto_domain::account::Email;
use sotto_domain::security_event::{SecurityEvent, SecurityEventKind};
use sotto_domain::storage::{Result, Storage};
use sotto_domain::{ApiTokenId, Clock, Random, SecurityEventId, SessionId, UserId, text};
use tracing::field::display;

use crate::app::App;
use crate::auth::SignedIn;
use crate::http::middleware::ClientAddress;

/// Logs an event, and stores it if its owner should know. Never fails: an event that cannot be stored is in the log.
pub async fn record(app: &App, origin: &Origin, event: Event<'_>) {
    let (addresses, storage) = (app.config.audit_addresses, &*app.storage);
    if let Err(error) = write(storage, app.clock.as_ref(), app.random.as_ref(), addresses, origin, &event).await {
        app.monitor.note(&error);
        tracing::warn!(%error, event = event.name, "a security event could not be stored");
    }
}

/// Logs an event of the command line, and stores it if the owner of the account should know.
///
/// # Errors
/// If the event cannot be stored. It is in the log.
pub async fn record_of_operator(
    storage: &dyn Storage,
    clock: &dyn Clock,
    random: &dyn Random,
    addresses: bool,
    event: Event<'_>,
) -> Result<()> {
    let event = Event { by: Some(By::CommandLine), ..event };
    write(storage, clock, random, addresses, &Origin::default(), &event).await
}

/// What happened, to which account.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    name: &'static str,
    /// The kind of the stored event. `None` for an event that is only logged.
    kind: Option<SecurityEventKind>,
    account: Option<UserId>,
    email: Option<&'a str>,
    session: Option<SessionId>,
    token: Option<ApiTokenId>,
    /// Who acted on the account of another person.
    by: Option<By>,
    reason: Option<&'static str>,
}

/// An event that is logged and not stored.
#[derive(Debug, Clone, Copy)]
pub enum Unstored {
    AccountCreated,
    /// A superuser has changed the name.
    AccountChanged,
    AccountDeleted,
    SignInRefused,
}

impl Event<'static> {
    /// An event that its owner sees.
    pub const fn of(account: UserId, kind: SecurityEventKind) -> Self {
        Self { kind: Some(kind), account: Some(account), ..Self::named(kind.name()) }
    }

    /// An event that the owner of a session has caused.
    pub fn of_owner(signed_in: &SignedIn, kind: SecurityEventKind) -> Self {
        Self::of(signed_in.id(), kind).session(signed_in.session)
    }

    /// An event that is only logged. The account may be unknown.
    pub const fn unstored(account: Option<UserId>, event: Unstored) -> Self {
        let name = match event {
            Unstored::AccountCreated => "account_created",
            Unstored::AccountChanged => "account_changed",
            Unstored::AccountDeleted => "account_deleted",
            Unstored::SignInRefused => "sign_in_refused",
        };
        Self { account, ..Self::named(name) }
    }

    const fn named(name: &'static str) -> Self {
        Self { name, kind: None, account: None, email: None, session: None, token: None, by: None, reason: None }
    }
}

impl<'a> Event<'a> {
    /// The session that the event is about, or that caused it.
    #[must_use]
    pub const fn session(self, session: SessionId) -> Self {
        Self { session: Some(session), ..self }
    }

    /// The API token that the event is about.
    #[must_use]
    pub const fn token(self, token: ApiTokenId) -> Self {
        Self { token: Some(token), ..self }
    }

    /// The superuser who acted on the account of another person.
    #[must_use]
    pub const fn by(self, superuser: UserId) -> Self {
        Self { by: Some(By::Superuser(superuser)), ..self }
    }

    /// The code of the reason for a refusal.
    #[must_use]
    pub const fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// The address, if it cannot be looked up by the account. It is logged only if the settings allow it.
    #[must_use]
    pub fn with_address<'b>(self, email: &'b Email) -> Event<'b>
    where
        'a: 'b,
    {
        Event { email: Some(email.as_str()), ..self }
    }
}

/// Who acted on the account of another person.
#[derive(Clone, Copy)]
enum By {
    Superuser(UserId),
    CommandLine,
}

impl Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superuser(id) => id.fmt(f),
            Self::CommandLine => f.write_str("command_line"),
        }
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    client: Option<IpAddr>,
    user_agent: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Infallible> {
        let client = parts.extensions.get::<ClientAddress>().map(|client| client.0.to_canonical());
        Ok(Self { client, user_agent: user_agent(&parts.headers) })
    }
}

/// The client's `User-Agent`, as it is stored: one line, at most 200 bytes.
pub fn user_agent(headers: &HeaderMap) -> Option<String> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    text::line(&agent.chars().take(200).collect::<String>(), 200).ok()
}

async fn write(
    storage: &dyn Storage,
    clock: &dyn Clock,
    random: &dyn Random,
    addresses: bool,
    origin: &Origin,
    event: &Event<'_>,
) -> Result<()> {
    let email = if addresses { find_email(storage, event).await } else { None };
    log(event, origin, email.as_deref(), addresses);
    let (Some(kind), Some(user_id)) = (event.kind, event.account) else { return Ok(()) };
    // The owner need not know where a superuser works.
    let shown = event.by.is_none();
    let stored = SecurityEvent {
        id: SecurityEventId::new(clock, random),
        user_id,
        kind,
        client: origin.client.filter(|_| shown).map(|client| client.to_string()),
        user_agent: origin.user_agent.clone().filter(|_| shown),
        created_at: clock.now(),
    };
    storage.security_events().record(&stored).await
}

async fn find_email(storage: &dyn Storage, event: &Event<'_>) -> Option<String> {
    if let Some(given) = event.email {
        return Some(given.to_owned());
    }
    let user = storage.users().get(event.account?).await.ok()??;
    Some(user.email.as_str().to_owned())
}

fn log(event: &Event<'_>, origin: &Origin, email: Option<&str>, addresses: bool) {
    let client = origin.client.map(|client| if addresses { client.to_string() } else { network(client) });
    let (account, session, token) = (event.account.map(display), event.session.map(display), event.token.map(display));
    let by = event.by.map(display);
    macro_rules! log_at {
        ($level:ident) => {
            tracing::$level!(
                target: "sotto::audit",
                event = event.name,
                account,
                session,
                token,
                by,
                client,
                reason = event.reason,
                email,
                "audit"
            )
        };
    }
    // A token that is used twice was copied, which the operator should not overlook.
    if event.kind == Some(SecurityEventKind::RefreshTokenReused) { log_at!(warn) } else { log_at!(info) }
}

/// The network of a client, which does not identify a person: the /24 of an IPv4 address, the /48 of an IPv6 address.
fn network(client: IpAddr) -> String {
    let client = client.to_canonical();
    let prefix = if client.is_ipv4() { 24 } else { 48 };
    IpNet::new(client, prefix).map_or_else(|_| String::new(), |network| network.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_does_not_identify_a_client() {
        let network = |address: &str| network(address.parse().unwrap());
        assert_eq!(network("203.0.113.77"), "203.0.113.0/24");
        assert_eq!(network("::ffff:203.0.113.77"), "203.0.113.0/24");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1::/48");
    }

    #[test]
    fn a_user_agent_is_one_short_line() {
        let of = |agent: &str| user_agent(&[(header::USER_AGENT, agent.parse().unwrap())].into_iter().collect());
        assert_eq!(of("Firefox").as_deref(), Some("Firefox"));
        assert_eq!(of(&"a".repeat(300)).unwrap().len(), 200);
        assert_eq!(of(""), None);
    }
}
