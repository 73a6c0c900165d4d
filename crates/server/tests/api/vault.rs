//! A client of secret tags, which does over HTTP what a browser does.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sotto_crypto::Scope;
use sotto_crypto::client::{EntryText, Login, Metadata, Phrase, RecoveryKey, Registration, Vault};
use sotto_crypto::sealed::{RecoveryWrap, SealedEntry, SealedMetadata, WrappedMasterKey};
use sotto_domain::{EntryId, SecretTagId, UserId};
use sotto_server::system::{SystemClock, SystemRandom};
use uuid::Uuid;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::server::{ApiResponse, Person};

pub const PHRASE: &str = "the grey heron waits";
pub const DATE: &str = "2025-01-22T10:00:00Z";

/// A secret tag of a user, with its recovery key.
pub struct Secret<'a> {
    pub person: Person<'a>,
    pub scope: Scope,
    pub recovery_key: RecoveryKey,
    /// `/api/secret-tags/…`
    pub path: String,
}

pub struct Open<'a> {
    pub person: Person<'a>,
    pub scope: Scope,
    pub token: String,
    pub vault: Vault,
    /// The response of the unlock.
    pub response: Value,
}

impl<'a> Secret<'a> {
    /// Creates a secret tag, which is locked.
    pub async fn make(person: &Person<'a>, phrase: &str) -> Self {
        let (secret, finish) = Self::prepare(person, phrase).await;
        person.post("/api/secret-tags/register/finish", finish).await.expect(StatusCode::CREATED);
        secret
    }

    /// Prepares a secret tag, and returns the second message of its registration.
    pub async fn prepare(person: &Person<'a>, phrase: &str) -> (Self, Value) {
        let scope =
            Scope { user: UserId(person.id.parse().unwrap()), tag: SecretTagId::new(&SystemClock, &SystemRandom) };
        let (request, registration) = Registration::start(scope, self::phrase(phrase), &SystemRandom).unwrap();
        let start = json!({"tag_id": scope.tag, "registration_request": request.to_string()});
        let started = person.post("/api/secret-tags/register/start", start).await.expect(StatusCode::OK);
        let registered = registration.finish(&text(&started, "registration_response").parse().unwrap(), &SystemRandom);
        let registered = registered.unwrap();
        assert_eq!(text(&started, "server_keys"), registered.server.to_string());

        let vault = Vault::create(scope, &SystemRandom).unwrap();
        let recovery_key = RecoveryKey::generate(&SystemRandom);
        let metadata = Metadata { name: "Therapy".into(), color: Some("#1e90ff".into()) };
        let finish = json!({
            "tag_id": scope.tag,
            "registration_record": registered.record.to_string(),
            "server_keys": started["server_keys"],
            "wrapped_master_key": vault.wrap(&registered.export_key, &SystemRandom).unwrap().to_string(),
            "metadata": encode(vault.seal_metadata(&metadata, &SystemRandom).unwrap().as_bytes()),
            "recovery_wrap": vault.wrap_for_recovery(&recovery_key, &SystemRandom).unwrap().to_string(),
            "recovery_verifier": recovery_key.proof().unwrap().verifier().to_string(),
        });
        let path = format!("/api/secret-tags/{}", scope.tag);
        (Self { person: person.clone(), scope, recovery_key, path }, finish)
    }

    /// The same secret tag in another session of the user.
    pub fn by(&self, person: &Person<'a>) -> Self {
        let recovery_key = self.recovery_key.reveal().parse().unwrap();
        Self { person: person.clone(), recovery_key, path: self.path.clone(), ..*self }
    }

    /// Sends the first message of a login.
    pub async fn start(&self, phrase: &str) -> (Login, ApiResponse) {
        let (request, login) = Login::start(self.scope, self::phrase(phrase), &SystemRandom).unwrap();
        let start = json!({"login_request": request.to_string()});
        (login, self.person.post(&format!("{}/unlock/start", self.path), start).await)
    }

    /// Sends the second message of a login.
    pub async fn finish(&self, session: &Value, login_finish: &str) -> ApiResponse {
        let finish = json!({"session_id": session, "login_finish": login_finish});
        self.person.post(&format!("{}/unlock/finish", self.path), finish).await
    }

    /// Unlocks it, or returns the server's refusal. A client whose passphrase is wrong has no proof, so it sends a
    /// random one.
    pub async fn try_unlock(&self, phrase: &str) -> Result<Open<'a>, ApiResponse> {
        let (login, started) = self.start(phrase).await;
        if started.status != StatusCode::OK {
            return Err(started);
        }
        let started = started.body;
        let Ok(logged_in) = login.finish(&text(&started, "login_response").parse().unwrap(), &SystemRandom) else {
            return Err(self.finish(&started["session_id"], &encode(&[7; 64])).await);
        };
        let response = self.finish(&started["session_id"], &logged_in.finish.to_string()).await;
        if response.status != StatusCode::OK {
            return Err(response);
        }
        let wrapped: WrappedMasterKey = text(&response.body, "wrapped_master_key").parse().unwrap();
        Ok(Open {
            person: self.person.clone(),
            scope: self.scope,
            token: text(&response.body, "unlock_token").to_owned(),
            vault: Vault::unlock(self.scope, &logged_in.export_key, &wrapped).unwrap(),
            response: response.body,
        })
    }

    pub async fn unlock(&self, phrase: &str) -> Open<'a> {
        self.try_unlock(phrase).await.unwrap_or_else(|response| panic!("{phrase} opens it: {response:?}"))
    }

    /// Sets a new passphrase with the recovery key, or returns the server's refusal.
    pub async fn recover(&self, key: &RecoveryKey, new: &str) -> ApiResponse {
        let proof = key.proof().unwrap().to_string();
        let (request, registration) = Registration::start(self.scope, phrase(new), &SystemRandom).unwrap();
        let start = json!({"recovery_proof": proof, "registration_request": request.to_string()});
        let started = self.person.post(&format!("{}/recover/start", self.path), start).await;
        if started.status != StatusCode::OK {
            return started;
        }
        let started = started.body;
        let wrap: RecoveryWrap = text(&started, "recovery_wrap").parse().unwrap();
        let vault = Vault::recover(self.scope, key, &wrap).unwrap();
        let registered = registration.finish(&text(&started, "registration_response").parse().unwrap(), &SystemRandom);
        let registered = registered.unwrap();
        let finish = json!({
            "recovery_proof": proof,
            "registration_record": registered.record.to_string(),
            "server_keys": started["server_keys"],
            "wrapped_master_key": vault.wrap(&registered.export_key, &SystemRandom).unwrap().to_string(),
            "version": started["version"],
        });
        self.person.post(&format!("{}/recover/finish", self.path), finish).await
    }
}

impl Open<'_> {
    /// A request with the unlock token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.person.request(method, path).header("x-sotto-unlock", &self.token)
    }

    pub async fn get(&self, path: &str) -> ApiResponse {
        ApiResponse::receive(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> ApiResponse {
        ApiResponse::receive(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, revision: u32, body: Value) -> ApiResponse {
        let request = self.request(Method::PUT, path).header("if-match", format!("\"{revision}\""));
        ApiResponse::receive(request.json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> ApiResponse {
        ApiResponse::receive(self.request(Method::DELETE, path)).await
    }

    /// The fields of a body that seals this text for an entry and a revision.
    pub fn seal(&self, id: Uuid, revision: u32, content: &str) -> Value {
        let (title, tags) = (Some("Heron".into()), Vec::new());
        let written = EntryText { title, content: content.into(), tags, audio_key: None, former_audio_key: None };
        let sealed = self.vault.seal_entry(EntryId(id), revision, &written, &SystemRandom).unwrap();
        json!({
            "secret_tag_id": self.scope.tag,
            "encrypted_content": encode(&sealed.encrypted_content),
            "encryption_iv": encode(&sealed.encryption_iv),
            "wrapped_key": encode(&sealed.wrapped_key),
            "wrap_iv": encode(&sealed.wrap_iv),
        })
    }

    /// The body of a new sealed entry.
    pub fn entry(&self, id: Uuid, content: &str, date: &str) -> Value {
        let mut entry = self.seal(id, 1, content);
        entry["id"] = json!(id);
        entry["entry_date"] = json!(date);
        entry
    }

    /// Creates a sealed entry and returns the response.
    pub async fn write(&self, content: &str, date: &str) -> Value {
        self.post("/api/journals/", self.entry(new_id(), content, date)).await.expect(StatusCode::CREATED)
    }

    /// The text of an entry in a response.
    pub fn read(&self, entry: &Value) -> String {
        let field = |name: &str| URL_SAFE_NO_PAD.decode(text(entry, name)).unwrap();
        let sealed = SealedEntry::from_parts(
            field("encrypted_content"),
            &field("encryption_iv"),
            &field("wrapped_key"),
            &field("wrap_iv"),
        );
        let revision = u32::try_from(entry["revision"].as_u64().unwrap()).unwrap();
        let id = EntryId(text(entry, "id").parse().unwrap());
        self.vault.open_entry(id, revision, &sealed.unwrap()).unwrap().content.clone()
    }

    /// The texts of a list.
    pub async fn contents(&self, path: &str) -> Vec<String> {
        let list = self.get(path).await.expect(StatusCode::OK);
        list.as_array().unwrap().iter().map(|entry| self.read(entry)).collect()
    }

    /// The address of the list of its entries.
    pub fn entries(&self) -> String {
        format!("/api/journals/?secret_tag_id={}", self.scope.tag)
    }

    /// The name in a response.
    pub fn name(&self, response: &Value) -> String {
        let sealed = SealedMetadata::from_bytes(URL_SAFE_NO_PAD.decode(text(response, "metadata")).unwrap()).unwrap();
        self.vault.open_metadata(&sealed).unwrap().name.clone()
    }

    /// Sets a new passphrase.
    pub async fn change_phrase(&self, new: &str, version: u32) -> ApiResponse {
        let path = format!("/api/secret-tags/{}/phrase", self.scope.tag);
        let (request, registration) = Registration::start(self.scope, phrase(new), &SystemRandom).unwrap();
        let started = self.post(&format!("{path}/start"), json!({"registration_request": request.to_string()})).await;
        if started.status != StatusCode::OK {
            return started;
        }
        let response = text(&started.body, "registration_response").parse().unwrap();
        let registered = registration.finish(&response, &SystemRandom).unwrap();
        let finish = json!({
            "registration_record": registered.record.to_string(),
            "server_keys": started.body["server_keys"],
            "wrapped_master_key": self.vault.wrap(&registered.export_key, &SystemRandom).unwrap().to_string(),
            "version": version,
        });
        self.post(&format!("{path}/finish"), finish).await
    }
}

pub fn new_id() -> Uuid {
    EntryId::new(&SystemClock, &SystemRandom).0
}

pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn path(entry: &Value) -> String {
    format!("/api/journals/{}", text(entry, "id"))
}

pub fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is text in {value}"))
}

fn phrase(typed: &str) -> Phrase {
    Phrase::new(typed).unwrap()
}
