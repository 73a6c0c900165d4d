//! Forged responses of a provider, or of an attacker in its place: they let nobody in.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_domain::account::UserQuery;
use sotto_server::{Config, ProviderSettings};
use sotto_storage::testing::Scratch;

use super::browser::Browser;
use super::forging_provider::{ForgingProvider, Key, response, unsigned};
use crate::server::{Server, lenient};

const SECRET: &str = "shared";

async fn server(provider: &ForgingProvider) -> Server {
    let listener = crate::server::free_port().await;
    let public_url = Some(format!("http://{}", listener.local_addr().unwrap()));
    let settings = ProviderSettings {
        id: "provider".into(),
        name: "A provider".into(),
        issuer: provider.issuer.clone(),
        client_id: "sotto".into(),
        client_secret: SECRET.into(),
        scopes: vec![],
    };
    Server::start_on(listener, Scratch::sqlite(), Config { public_url, providers: vec![settings], ..lenient() }).await
}

/// The page where a sign-in ends up.
async fn sign_in(server: &Server) -> String {
    let browser = Browser::new(server);
    let start = format!("http://{}/api/auth/oidc/provider/start", server.address);
    browser.sign_in_at_once(&start).await
}

type Forgery = fn(&ForgingProvider, &str) -> (u16, Value);

#[tokio::test]
async fn no_forged_token_is_accepted() {
    let provider = ForgingProvider::start().await;
    let server = server(&provider).await;
    assert_eq!(sign_in(&server).await, "/");
    let forgeries: [(&str, Forgery); 20] = [
        ("no signature", |provider, nonce| {
            response(&format!("{}.", unsigned(&json!({"alg": "none"}), &provider.claims(nonce))))
        }),
        ("an algorithm that is none", |provider, nonce| {
            response(&provider.key.sign(&json!({"alg": "none", "kid": "one"}), &provider.claims(nonce)))
        }),
        ("the secret that we share", |provider, nonce| {
            let signed = unsigned(&json!({"alg": "HS256"}), &provider.claims(nonce));
            let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
            response(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)))
        }),
        ("the public key as a secret", |provider, nonce| {
            let signed = unsigned(&json!({"alg": "HS256", "kid": "one"}), &provider.claims(nonce));
            let key = provider.key.public("one").to_string();
            let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), signed.as_bytes());
            response(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)))
        }),
        ("another key", |provider, nonce| {
            response(&Key::new().sign(&json!({"alg": "ES256", "kid": "one"}), &provider.claims(nonce)))
        }),
        ("a key that is not published", |provider, nonce| {
            response(&Key::new().sign(&json!({"alg": "ES256", "kid": "two"}), &provider.claims(nonce)))
        }),
        ("a key that it brings along", |provider, nonce| {
            let key = Key::new();
            let header = json!({"alg": "ES256", "kid": "one", "jwk": key.public("one")});
            response(&key.sign(&header, &provider.claims(nonce)))
        }),
        ("a changed claim", |provider, nonce| {
            let (_, body) = provider.honest(nonce);
            let parts: Vec<_> = body["id_token"].as_str().unwrap().split('.').collect();
            let claims = with(provider, nonce, "sub", json!("another person")).to_string();
            response(&format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims), parts[2]))
        }),
        ("another issuer", |provider, nonce| {
            provider.signed(&with(provider, nonce, "iss", json!("https://evil.example")))
        }),
        ("another audience", |provider, nonce| {
            provider.signed(&with(provider, nonce, "aud", json!("another program")))
        }),
        ("a second audience", |provider, nonce| {
            provider.signed(&with(provider, nonce, "aud", json!(["sotto", "another program"])))
        }),
        ("another party", |provider, nonce| provider.signed(&with(provider, nonce, "azp", json!("another program")))),
        ("an end that has passed", |provider, nonce| {
            provider.signed(&with(provider, nonce, "exp", json!(1_600_000_000)))
        }),
        ("no end", |provider, nonce| provider.signed(&with(provider, nonce, "exp", Value::Null))),
        ("another nonce", |provider, nonce| provider.signed(&with(provider, nonce, "nonce", json!("replayed")))),
        ("no nonce", |provider, nonce| provider.signed(&with(provider, nonce, "nonce", Value::Null))),
        ("no subject", |provider, nonce| provider.signed(&with(provider, nonce, "sub", Value::Null))),
        ("a subject that is none", |provider, nonce| provider.signed(&with(provider, nonce, "sub", json!("a\u{0}b")))),
        ("no token", |_, _| (200, json!({"access_token": "a", "token_type": "Bearer"}))),
        ("something else", |_, _| response("a.b.c")),
    ];
    for (what, forgery) in forgeries {
        provider.responses.lock().unwrap().token = Box::new(forgery);
        let end = sign_in(&server).await;
        assert!(["/login?error=invalid_token", "/login?error=provider_error"].contains(&end.as_str()), "{what}: {end}");
    }
    assert_eq!(
        server.app.storage.users().list(&UserQuery { limit: 10, ..UserQuery::default() }).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn an_invalid_provider_response_is_reported() {
    let provider = ForgingProvider::start().await;
    let server = server(&provider).await;
    let responses: [(u16, Value, &str); 4] = [
        (400, json!({"error": "invalid_grant", "error_description": "spent"}), "provider_error"),
        (500, json!({}), "provider_error"),
        (200, json!([1]), "provider_error"),
        (200, json!({"access_token": "x".repeat(2 << 20), "token_type": "Bearer"}), "provider_unavailable"),
    ];
    for (status, body, code) in responses {
        let shown = body.to_string().len();
        provider.responses.lock().unwrap().token = Box::new(move |_, _| (status, body.clone()));
        assert_eq!(sign_in(&server).await, format!("/login?error={code}"), "{status}, {shown} bytes");
    }
}

/// Each case has a new server, which has no cached metadata.
#[tokio::test]
async fn a_provider_description_is_validated() {
    let honest = ForgingProvider::start().await;
    for (field, value) in [
        ("issuer", json!("https://evil.example")),
        ("issuer", Value::Null),
        ("token_endpoint", json!("http://192.0.2.1/token")),
        ("jwks_uri", json!("http://192.0.2.1/keys")),
        ("jwks_uri", json!(format!("{}/nothing", honest.issuer))),
    ] {
        let provider = ForgingProvider::start().await;
        let mut description = provider.description();
        description[field] = value.clone();
        provider.responses.lock().unwrap().description = Some(description);
        let end = sign_in(&server(&provider).await).await;
        assert_eq!(end, "/login?error=provider_unavailable", "{field} {value}");
    }
}

#[tokio::test]
async fn only_valid_claims_are_used() {
    let provider = ForgingProvider::start().await;
    let server = server(&provider).await;
    let long = "x".repeat(300);
    for (claim, value, end) in [
        ("email_verified", json!(false), "/login?error=email_not_verified"),
        ("email_verified", Value::Null, "/login?error=email_not_verified"),
        ("email_verified", json!("false"), "/login?error=email_not_verified"),
        ("email", json!("no address"), "/login?error=email_missing"),
        ("email", Value::Null, "/login?error=email_missing"),
        ("name", json!(long), "/"),
    ] {
        provider.responses.lock().unwrap().token =
            Box::new(move |provider, nonce| provider.signed(&with(provider, nonce, claim, value.clone())));
        assert_eq!(sign_in(&server).await, end, "{claim}");
    }
    let users = server.app.storage.users().list(&UserQuery { limit: 10, ..UserQuery::default() }).await.unwrap();
    assert_eq!((users.len(), users[0].full_name.as_deref(), users[0].email.as_str()), (1, None, "eve@example.org"));
    // A picture that is no image address, and a time zone that does not exist.
    provider.responses.lock().unwrap().token = Box::new(|provider, nonce| {
        let mut claims = with(provider, nonce, "sub", json!("provider-2"));
        claims["email"] = json!("mallory@example.org");
        claims["email_verified"] = json!("true");
        claims["picture"] = json!("javascript:alert(1)");
        claims["zoneinfo"] = json!("Mars/Olympus");
        provider.signed(&claims)
    });
    assert_eq!(sign_in(&server).await, "/");
    let users = server.app.storage.users().list(&UserQuery { limit: 10, ..UserQuery::default() }).await.unwrap();
    assert_eq!((users[1].avatar_url.as_deref(), users[1].time_zone.name()), (None, "UTC"));
}

#[tokio::test]
async fn an_announced_issuer_is_required() {
    for (announced, named, end) in [
        (false, None, "/"),
        (false, Some("https://evil.example"), "/login?error=provider_error"),
        (true, None, "/login?error=provider_error"),
        (true, Some("https://evil.example"), "/login?error=provider_error"),
    ] {
        let provider = ForgingProvider::start().await;
        let mut description = provider.description();
        description["authorization_response_iss_parameter_supported"] = json!(announced);
        provider.responses.lock().unwrap().description = Some(description);
        provider.responses.lock().unwrap().redirect_issuer = named.map(str::to_owned);
        let server = server(&provider).await;
        assert_eq!(sign_in(&server).await, end, "{announced} {named:?}");
        let own = Some(provider.issuer.clone());
        provider.responses.lock().unwrap().redirect_issuer = own;
        assert_eq!(sign_in(&server).await, "/", "{announced}");
    }
}

#[tokio::test]
async fn a_provider_confirms_only_with_a_new_sign_in_of_the_same_user() {
    let provider = ForgingProvider::start().await;
    let server = server(&provider).await;
    let browser = Browser::new(&server);
    let url = |query: &str| format!("http://{}/api/auth/oidc/provider/start{query}", server.address);
    assert_eq!(browser.sign_in_at_once(&url("")).await, "/");
    server.age_sessions().await;
    let start = browser.get("/api/auth/oidc/provider/start?confirm=true").await;
    let address = start.header("location").unwrap();
    assert!(address.contains("prompt=login") && address.contains("max_age=0"), "{address}");
    let now = provider.claims("")["iat"].as_i64().unwrap();
    let token = json!({"name": "script", "scopes": ["tags:read"]});
    let create = async || browser.send(Method::POST, "/api/users/me/tokens", token.clone()).await.status;
    for (claim, value, end) in [
        ("auth_time", json!(now - 3600), "/login?error=invalid_token"),
        ("sub", json!("provider-2"), "/login?error=wrong_identity"),
    ] {
        provider.responses.lock().unwrap().token =
            Box::new(move |provider, nonce| provider.signed(&with(provider, nonce, claim, value.clone())));
        assert_eq!(browser.sign_in_at_once(&url("?confirm=true")).await, end, "{claim}");
        assert_eq!(create().await, StatusCode::FORBIDDEN);
    }
    // A sign-in needs no new proof.
    provider.responses.lock().unwrap().token =
        Box::new(move |provider, nonce| provider.signed(&with(provider, nonce, "auth_time", json!(now - 3600))));
    assert_eq!(Browser::new(&server).sign_in_at_once(&url("")).await, "/");
    provider.responses.lock().unwrap().token =
        Box::new(move |provider, nonce| provider.signed(&with(provider, nonce, "auth_time", json!(now))));
    assert_eq!(browser.sign_in_at_once(&url("?confirm=true&next=/settings")).await, "/settings");
    assert_eq!(create().await, StatusCode::CREATED);
}

/// Claims with one of them changed or removed.
fn with(provider: &ForgingProvider, nonce: &str, claim: &str, value: Value) -> Value {
    let mut claims = provider.claims(nonce);
    claims[claim] = value;
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}
