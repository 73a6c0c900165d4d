//! A provider whose responses a test chooses.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A status and a body, for a nonce.
type TokenResponder = dyn Fn(&ForgingProvider, &str) -> (u16, Value) + Send + Sync;

/// The responses.
pub struct ForgedResponses {
    /// Instead of its metadata, if given.
    pub description: Option<Value>,
    /// The issuer that it names when it redirects back (RFC 9207).
    pub redirect_issuer: Option<String>,
    /// The response of the token endpoint for a nonce.
    pub token: Box<TokenResponder>,
}

pub struct ForgingProvider {
    pub issuer: String,
    pub key: Key,
    pub responses: Mutex<ForgedResponses>,
    nonce: Mutex<String>,
}

/// A key that signs with ES256.
pub struct Key(EcdsaKeyPair);

impl ForgingProvider {
    pub async fn start() -> Arc<Self> {
        let listener = crate::server::free_port().await;
        let address: SocketAddr = listener.local_addr().unwrap();
        let responses =
            ForgedResponses { description: None, redirect_issuer: None, token: Box::new(ForgingProvider::honest) };
        let provider = Arc::new(Self {
            issuer: format!("http://{address}"),
            key: Key::new(),
            responses: Mutex::new(responses),
            nonce: Mutex::default(),
        });
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(async |State(provider): State<Arc<Self>>| Json(provider.description())),
            )
            .route("/keys", get(async |State(provider): State<Arc<Self>>| Json(provider.keys())))
            .route("/token", post(token))
            .route("/auth", get(authorize))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    /// Valid claims.
    pub fn claims(&self, nonce: &str) -> Value {
        let now = seconds_now();
        json!({
            "iss": self.issuer, "sub": "provider-1", "aud": "sotto", "exp": now + 300, "iat": now, "nonce": nonce,
            "email": "eve@example.org", "email_verified": true,
        })
    }

    pub fn honest(&self, nonce: &str) -> (u16, Value) {
        self.signed(&self.claims(nonce))
    }

    /// A response with these claims and a valid signature.
    pub fn signed(&self, claims: &Value) -> (u16, Value) {
        response(&self.key.sign(&json!({"alg": "ES256", "kid": "one"}), claims))
    }

    /// Its metadata.
    pub fn description(&self) -> Value {
        let url = |path: &str| format!("{}/{path}", self.issuer);
        let honest = json!({
            "issuer": self.issuer, "authorization_endpoint": url("auth"), "token_endpoint": url("token"),
            "jwks_uri": url("keys"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        self.responses.lock().unwrap().description.clone().unwrap_or(honest)
    }

    fn keys(&self) -> Value {
        json!({"keys": [self.key.public("one")]})
    }
}

/// The response of a token endpoint with this ID token.
pub fn response(id_token: &str) -> (u16, Value) {
    (200, json!({"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": id_token}))
}

impl Key {
    pub fn new() -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap())
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = unsigned(header, claims);
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// RFC 7517.
    pub fn public(&self, id: &str) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        let text = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id, "x": text(x), "y": text(y)})
    }
}

/// The signed part of a token (RFC 7515, section 5.1).
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// Notes the nonce, and redirects back at once.
async fn authorize(
    State(provider): State<Arc<ForgingProvider>>,
    Query(asked): Query<Value>,
) -> (StatusCode, [(&'static str, String); 1]) {
    provider.nonce.lock().unwrap().replace_range(.., asked["nonce"].as_str().unwrap());
    let text = |name: &str| asked[name].as_str().unwrap().to_owned();
    let issuer = provider.responses.lock().unwrap().redirect_issuer.clone();
    let issuer = issuer.map_or_else(String::new, |issuer| format!("&iss={issuer}"));
    let address = format!("{}?code=c&state={}{issuer}", text("redirect_uri"), text("state"));
    (StatusCode::SEE_OTHER, [("location", address)])
}

async fn token(State(provider): State<Arc<ForgingProvider>>) -> (StatusCode, Json<Value>) {
    let nonce = provider.nonce.lock().unwrap().clone();
    let (status, body) = (provider.responses.lock().unwrap().token)(&provider, &nonce);
    (StatusCode::from_u16(status).unwrap(), Json(body))
}

fn seconds_now() -> i64 {
    use sotto_domain::Clock;
    sotto_server::system::SystemClock.now().as_micros() / 1_000_000
}
