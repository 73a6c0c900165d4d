//! `Idempotency-Key`: a repeated create creates one row.

mod keys;
mod replays;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_domain::SecretTagId;
use sotto_domain::secret_tag::DeletedSecretTag;

use crate::server::{ApiResponse, Person, Server};
use crate::vault::{DATE, Open, PHRASE, Secret, new_id};

const KEY: &str = "idempotency-key";
const JOURNALS: &str = "/api/journals/";
const TAGS: &str = "/api/tags/";
const REMINDERS: &str = "/api/reminders/";
const TOKENS: &str = "/api/users/me/tokens";
const USERS: &str = "/api/admin/users";
const SECRET_TAGS: &str = "/api/secret-tags/register/finish";

/// A request that creates a row.
struct Create {
    path: &'static str,
    body: Value,
    /// The address of the row, with its id.
    row: &'static str,
}

fn create(path: &'static str, row: &'static str, body: Value) -> Create {
    Create { path, body, row }
}

fn entry() -> Create {
    create(JOURNALS, JOURNALS, json!({"content": "once", "entry_date": DATE, "tags": ["new"]}))
}

fn tag(name: &str) -> Create {
    create(TAGS, TAGS, json!({"name": name}))
}

fn reminder() -> Create {
    let body = json!({"title": "once", "message": "", "frequency": "daily", "time": "2025-01-22T19:00:00Z"});
    create(REMINDERS, REMINDERS, body)
}

fn token() -> Create {
    create(TOKENS, "/api/users/me/tokens/", json!({"name": "once", "scopes": ["tags:read"]}))
}

fn user() -> Create {
    let body = json!({"email": "once@example.org", "password": "correct horse battery"});
    create(USERS, "/api/admin/users/", body)
}

/// A superuser with an unlocked secret tag, who may create everything.
struct Maker<'a> {
    open: Open<'a>,
}

impl<'a> Maker<'a> {
    async fn new(server: &'a Server) -> Self {
        let person = server.superuser("ada").await;
        Self { open: Secret::make(&person, PHRASE).await.unlock(PHRASE).await }
    }

    fn person(&self) -> &Person<'a> {
        &self.open.person
    }

    /// One row of each kind.
    async fn creates(&self) -> Vec<Create> {
        let (_, secret_tag) = Secret::prepare(self.person(), PHRASE).await;
        let mut with_id = entry();
        with_id.body["id"] = json!(new_id());
        vec![
            entry(),
            with_id,
            create(JOURNALS, JOURNALS, self.open.entry(new_id(), "once", DATE)),
            tag("once"),
            reminder(),
            token(),
            user(),
            create(SECRET_TAGS, "/api/secret-tags/", secret_tag),
        ]
    }

    async fn send(&self, create: &Create, key: &str) -> ApiResponse {
        ApiResponse::receive(self.open.request(Method::POST, create.path).header(KEY, key).json(&create.body)).await
    }

    /// The number of rows of each kind.
    async fn rows(&self) -> Vec<usize> {
        let mut rows = vec![];
        for path in [JOURNALS, &self.open.entries(), TAGS, REMINDERS, TOKENS, USERS, "/api/secret-tags/"] {
            rows.push(self.open.get(path).await.expect(StatusCode::OK).as_array().unwrap().len());
        }
        rows
    }

    async fn delete(&self, create: &Create, row: &Value) {
        if create.path == SECRET_TAGS {
            // The secret tag must be unlocked first.
            let (user, id) = (self.open.scope.user, SecretTagId(row["id"].as_str().unwrap().parse().unwrap()));
            let secret_tags = self.person().server.app.storage.secret_tags();
            let deleted = secret_tags.delete(user, id, false, self.person().server.app.now()).await.unwrap();
            assert!(matches!(deleted, DeletedSecretTag::Deleted { .. }), "{deleted:?}");
            return;
        }
        let path = format!("{}{}", create.row, row["id"].as_str().unwrap());
        let request = self.open.request(Method::DELETE, &path).header("if-match", "*");
        ApiResponse::receive(request).await.expect(StatusCode::OK);
    }
}

fn is_replay(response: &ApiResponse) -> bool {
    response.header("idempotency-replayed") == Some("true")
}
