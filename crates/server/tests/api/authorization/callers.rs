//! The kinds of callers, and their credentials.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sotto_domain::api_token::Scope;
use sotto_domain::session::{SESSION_SECONDS, Session};
use sotto_domain::{SessionId, Timestamp, UserId};
use sotto_server::Keys;
use sotto_server::auth::session_tokens::SessionTokens;
use sotto_server::system::{SystemClock, SystemRandom};

use crate::server::{ApiResponse, PASSWORD, Person, Server};

/// A kind of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Anonymous,
    /// An access token with `alg: none`.
    Unsigned,
    /// An access token that is signed with another server's key.
    Forged,
    Expired,
    /// A refresh token instead of an access token.
    RefreshToken,
    EndedSession,
    DeactivatedUser,
    /// An access token that names one user and the session of another.
    SessionOfAnother,
    User,
    /// A user who has not signed in or confirmed for 20 minutes, as is the superuser below.
    UserSinceLong,
    Cookie,
    /// A cookie in a request that another site has made the browser send.
    CookieFromAnotherSite,
    Superuser,
    SuperuserSinceLong,
    UnknownApiToken,
    ExpiredApiToken,
    DeletedApiToken,
    ApiTokenOfDeactivated,
    ApiToken(Scope),
}

impl Caller {
    pub fn all() -> impl Iterator<Item = Self> {
        let others = [
            Self::Anonymous,
            Self::Unsigned,
            Self::Forged,
            Self::Expired,
            Self::RefreshToken,
            Self::EndedSession,
            Self::DeactivatedUser,
            Self::SessionOfAnother,
            Self::User,
            Self::UserSinceLong,
            Self::Cookie,
            Self::CookieFromAnotherSite,
            Self::Superuser,
            Self::SuperuserSinceLong,
            Self::UnknownApiToken,
            Self::ExpiredApiToken,
            Self::DeletedApiToken,
            Self::ApiTokenOfDeactivated,
        ];
        others.into_iter().chain(Scope::ALL.map(Self::ApiToken))
    }
}

/// The users and tokens behind the callers.
pub struct Callers<'s> {
    server: &'s Server,
    tokens: SessionTokens,
    /// Those of a server with other keys.
    foreign_tokens: SessionTokens,
    user: UserId,
    other: UserId,
    superuser: UserId,
    deactivated: UserId,
    expired: String,
    api_tokens: Vec<(Caller, String)>,
}

impl<'s> Callers<'s> {
    pub async fn on(server: &'s Server) -> Self {
        let (ada, ben, dora) = (server.person("ada").await, server.person("ben").await, server.person("dora").await);
        let root = server.superuser("root").await;

        let in_an_hour = server.app.now().plus_seconds(3600);
        let expiring = json!({"name": "old", "scopes": scopes(), "expires_at": in_an_hour});
        let mut api_tokens = vec![(Caller::ExpiredApiToken, create(&ada, expiring).await.1)];
        server.clock.advance(7200);

        // The access tokens of the sign-ups have expired.
        let (expired, ada, dora) = (ada.token.clone(), sign_in(&ada).await, sign_in(&dora).await);
        let everything = || json!({"name": "all", "scopes": scopes()});
        let (id, deleted) = create(&ada, everything()).await;
        ada.delete(&format!("/api/users/me/tokens/{id}")).await.expect(StatusCode::OK);
        api_tokens.push((Caller::DeletedApiToken, deleted));
        api_tokens.push((Caller::ApiTokenOfDeactivated, create(&dora, everything()).await.1));
        for scope in Scope::ALL {
            let token = create(&ada, json!({"name": scope.name(), "scopes": [scope.name()]})).await.1;
            api_tokens.push((Caller::ApiToken(scope), token));
        }
        let unknown = format!("{}{}", &api_tokens[0].1[..api_tokens[0].1.len() - 8], "AAAAAAAA");
        api_tokens.push((Caller::UnknownApiToken, unknown));
        root_deactivates(server, &sign_in(&root).await, &dora).await;
        Self {
            server,
            tokens: SessionTokens::new(&server.keys.token_signing),
            foreign_tokens: SessionTokens::new(&Keys::generate(&SystemRandom).token_signing),
            user: id_of(&ada),
            other: id_of(&ben),
            superuser: id_of(&root),
            deactivated: id_of(&dora),
            expired,
            api_tokens,
        }
    }

    /// Adds the credentials of a caller to a request. Sessions are fresh, because the request before may have ended its
    /// own.
    pub async fn sign(&self, caller: Caller, request: RequestBuilder) -> RequestBuilder {
        let token = match caller {
            Caller::Anonymous => return request,
            Caller::Unsigned => unsigned(&self.access(self.user, self.session(self.user).await)),
            Caller::Forged => {
                let session = self.session(self.user).await;
                self.foreign_tokens.access(self.user, session, self.server.app.now()).unwrap()
            }
            Caller::Expired => self.expired.clone(),
            Caller::RefreshToken => {
                let session = self.session(self.user).await;
                let end = self.server.app.now().plus_seconds(SESSION_SECONDS);
                self.tokens.refresh(self.user, session, 1, end).unwrap()
            }
            Caller::EndedSession => {
                let session = self.session(self.user).await;
                self.server.app.storage.sessions().end(self.user, session).await.unwrap();
                self.access(self.user, session)
            }
            Caller::DeactivatedUser => self.access(self.deactivated, self.session(self.deactivated).await),
            Caller::SessionOfAnother => {
                // The server has the other user's session in its cache.
                let session = self.session(self.other).await;
                let request = self.server.request(Method::GET, "/api/users/me");
                let response = ApiResponse::receive(request.bearer_auth(self.access(self.other, session))).await;
                response.expect(StatusCode::OK);
                self.access(self.user, session)
            }
            Caller::User => self.access(self.user, self.session(self.user).await),
            Caller::UserSinceLong => self.access(self.user, self.old_session(self.user).await),
            Caller::SuperuserSinceLong => self.access(self.superuser, self.old_session(self.superuser).await),
            Caller::Superuser => self.access(self.superuser, self.session(self.superuser).await),
            Caller::Cookie | Caller::CookieFromAnotherSite => {
                let token = self.access(self.user, self.session(self.user).await);
                let site = if caller == Caller::Cookie { "same-origin" } else { "cross-site" };
                return request.header("cookie", format!("sotto_access={token}")).header("sec-fetch-site", site);
            }
            Caller::UnknownApiToken
            | Caller::ExpiredApiToken
            | Caller::DeletedApiToken
            | Caller::ApiTokenOfDeactivated
            | Caller::ApiToken(_) => self.api_tokens.iter().find(|(one, _)| *one == caller).unwrap().1.clone(),
        };
        request.bearer_auth(token)
    }

    async fn session(&self, user: UserId) -> SessionId {
        self.session_since(user, self.server.app.now()).await
    }

    async fn old_session(&self, user: UserId) -> SessionId {
        self.session_since(user, self.server.app.now().plus_seconds(-20 * 60)).await
    }

    async fn session_since(&self, user: UserId, created_at: Timestamp) -> SessionId {
        let now = self.server.app.now();
        let session = Session {
            id: SessionId::new(&SystemClock, &SystemRandom),
            user_id: user,
            generation: 1,
            rotated_at: now,
            expires_at: now.plus_seconds(SESSION_SECONDS),
            confirmed_at: None,
            user_agent: None,
            created_at,
        };
        self.server.app.storage.sessions().start(&session).await.unwrap();
        session.id
    }

    fn access(&self, user: UserId, session: SessionId) -> String {
        self.tokens.access(user, session, self.server.app.now()).unwrap()
    }
}

fn scopes() -> [&'static str; 6] {
    Scope::ALL.map(Scope::name)
}

fn id_of(person: &Person<'_>) -> UserId {
    UserId(person.id.parse().unwrap())
}

/// The same user with a new session.
async fn sign_in<'s>(person: &Person<'s>) -> Person<'s> {
    let tokens = person.server.login(&person.email, PASSWORD).await;
    Person { token: tokens["access_token"].as_str().unwrap().to_owned(), ..person.clone() }
}

/// Creates an API token, and returns its id and its secret.
async fn create(person: &Person<'_>, body: Value) -> (String, String) {
    let created = person.post("/api/users/me/tokens", body).await.expect(StatusCode::CREATED);
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

async fn root_deactivates(server: &Server, root: &Person<'_>, person: &Person<'_>) {
    root.put(&format!("/api/admin/users/{}", person.id), json!({"is_active": false})).await.expect(StatusCode::OK);
    assert!(!server.app.storage.users().get(id_of(person)).await.unwrap().unwrap().is_active);
}

/// A token with the same claims, and without a signature.
fn unsigned(token: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#))
}
