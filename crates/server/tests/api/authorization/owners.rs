//! One user's ids in the requests of another.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_domain::identity::Identity;
use sotto_domain::{IdentityId, UserId};
use sotto_server::system::{SystemClock, SystemRandom};

use super::routes::{ROUTES, Route};
use crate::audio::wav;
use crate::server::{ApiResponse, Person, Server};
use crate::vault::{PHRASE, Secret};

/// An id that no row has.
const MISSING: &str = "0190b5a4-1111-7222-8333-444455556666";

/// Sends every request with an id in its path to what another user owns.
pub async fn try_everything(server: &Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let belongings = Belongings::of(&ada).await;
    let before = snapshot(&ada).await;
    let mut tried = 0;
    for route in ROUTES.iter().filter(|route| route.path.contains("_id}") && !route.path.contains("/admin/")) {
        let foreign = send(&ben, route, belongings.id(route.path)).await;
        let missing = send(&ben, route, MISSING).await;
        assert_eq!(foreign, missing, "{}", route.name());
        let is_opaque = route.method == Method::POST && route.path.starts_with("/api/secret-tags/");
        let is_refused = foreign.0 == StatusCode::UNPROCESSABLE_ENTITY;
        assert_eq!(is_refused, is_opaque && !route.path.ends_with("/lock"), "{}", route.name());
        tried += 1;
    }
    assert!(tried >= 20, "{tried} routes have an id in their path");
    assert_eq!(snapshot(&ada).await, before);
}

/// The status and the problem's code, or the shape of another body.
async fn send(person: &Person<'_>, route: &Route, id: &str) -> (StatusCode, String) {
    let (start, rest) = route.path.split_once('{').unwrap();
    let path = format!("{start}{id}{}", rest.split_once('}').unwrap().1);
    let request = person.request(route.method.clone(), &path);
    let request = match body(route) {
        Some(Body::Json(body)) => request.json(&body),
        Some(Body::Recording(bytes)) => request.header("content-type", "audio/wav").body(bytes),
        None => request,
    };
    if route.method == Method::HEAD {
        return (request.send().await.unwrap().status(), String::new());
    }
    let response = ApiResponse::receive(request).await;
    let shape = if let Some(code) = response.body["code"].as_str() {
        code.to_owned()
    } else {
        response.body.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
    };
    (response.status, shape)
}

enum Body {
    Json(Value),
    Recording(Vec<u8>),
}

/// A valid body, so that the request is not refused for another reason.
fn body(route: &Route) -> Option<Body> {
    let base64 = |length: usize| crate::vault::encode(&vec![7; length]);
    Some(match (route.method.as_str(), route.path) {
        ("PUT", "/api/journals/{entry_id}") => Body::Json(json!({"content": "stolen"})),
        ("PUT", "/api/journals/{entry_id}/audio") => Body::Recording(wav(100, 7)),
        ("PUT", "/api/tags/{tag_id}") => Body::Json(json!({"name": "stolen"})),
        ("PUT", "/api/reminders/{reminder_id}") => Body::Json(json!({"title": "stolen"})),
        ("PUT", "/api/secret-tags/{secret_tag_id}") => Body::Json(json!({"metadata": base64(93)})),
        // Messages of OPAQUE: secret_tags_resistance.rs sends valid ones for the tags of others.
        ("POST", _) => Body::Json(json!({})),
        _ => return None,
    })
}

/// What one user owns: the ids in their paths.
struct Belongings {
    ids: Vec<(&'static str, String)>,
}

impl Belongings {
    async fn of(ada: &Person<'_>) -> Self {
        let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
        let entry = ada.write("mine", "2025-01-22T10:00:00Z", &["private"]).await;
        let recording = ada.request(Method::PUT, &format!("/api/journals/{}/audio", text(&entry, "id")));
        let recording = recording.header("content-type", "audio/wav").body(wav(100, 1));
        assert!(ApiResponse::receive(recording).await.status.is_success());
        let reminder = json!({"title": "t", "message": "m", "frequency": "daily", "time": "2025-01-22T20:00:00Z"});
        let reminder = ada.post("/api/reminders/", reminder).await.expect(StatusCode::CREATED);
        let token = json!({"name": "phone", "scopes": ["entries:read"]});
        let token = ada.post("/api/users/me/tokens", token).await.expect(StatusCode::CREATED);
        let sessions = ada.get("/api/users/me/sessions").await.expect(StatusCode::OK);
        let identity = Identity {
            id: IdentityId::new(&SystemClock, &SystemRandom),
            user_id: UserId(ada.id.parse().unwrap()),
            issuer: "https://id.example.org".into(),
            subject: "ada".into(),
            email: None,
            created_at: ada.server.app.now(),
        };
        ada.server.app.storage.identities().link(&identity).await.unwrap();
        let secret = Secret::make(ada, PHRASE).await;
        let _unlocked = secret.unlock(PHRASE).await;
        let opaque_sessions = ada.get("/api/opaque-sessions/").await.expect(StatusCode::OK);
        Self {
            ids: vec![
                ("{entry_id}", text(&entry, "id")),
                ("{tag_id}", text(&entry["tags"][0], "id")),
                ("{reminder_id}", text(&reminder, "id")),
                ("{token_id}", text(&token, "id")),
                ("{session_id}", text(&sessions[0], "id")),
                ("{identity_id}", identity.id.to_string()),
                ("{secret_tag_id}", secret.scope.tag.to_string()),
                ("{opaque_session_id}", text(&opaque_sessions[0], "id")),
            ],
        }
    }

    /// The id of this user for the parameter of a path.
    fn id(&self, path: &str) -> &str {
        let found = self.ids.iter().find(|(parameter, _)| path.contains(parameter));
        &found.unwrap_or_else(|| panic!("{path}: the test owns nothing with such an id")).1
    }
}

/// What the owner sees.
async fn snapshot(ada: &Person<'_>) -> Vec<Value> {
    let mut seen = vec![];
    for path in [
        "/api/journals/",
        "/api/tags/",
        "/api/reminders/",
        "/api/secret-tags/",
        "/api/opaque-sessions/",
        "/api/users/me/identities",
        "/api/users/me/tokens",
        "/api/users/me/sessions",
    ] {
        seen.push(ada.get(path).await.expect(StatusCode::OK));
    }
    seen
}
