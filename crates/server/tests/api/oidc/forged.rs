//! Whatever a provider, or somebody in its place, makes up: nobody gets in by it.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sotto_domain::account::UserQuery;
use sotto_server::{Config, ProviderSettings};
use sotto_storage::testing::Scratch;

use super::browser::Browser;
use super::liar::{Key, Liar, answer, unsigned};
use crate::server::{Server, lenient};

const SECRET: &str = "shared";

async fn server(liar: &Liar) -> Server {
    let listener = crate::server::free_port().await;
    let public_url = Some(format!("http://{}", listener.local_addr().unwrap()));
    let settings = ProviderSettings {
        id: "liar".into(),
        name: "A liar".into(),
        issuer: liar.issuer.clone(),
        client_id: "sotto".into(),
        client_secret: SECRET.into(),
        scopes: vec![],
    };
    Server::start_on(listener, Scratch::sqlite(), Config { public_url, providers: vec![settings], ..lenient() }).await
}

/// Where somebody ends up who signs in.
async fn sign_in(server: &Server) -> String {
    let browser = Browser::new(server);
    let start = format!("http://{}/api/auth/oidc/liar/start", server.address);
    browser.sign_in_at_once(&start).await
}

type Forgery = fn(&Liar, &str) -> (u16, Value);

#[tokio::test]
async fn no_forged_token_is_believed() {
    let liar = Liar::start().await;
    let server = server(&liar).await;
    assert_eq!(sign_in(&server).await, "/");
    let forgeries: [(&str, Forgery); 20] = [
        ("no signature", |liar, nonce| answer(&format!("{}.", unsigned(&json!({"alg": "none"}), &liar.claims(nonce))))),
        ("an algorithm that is none", |liar, nonce| {
            answer(&liar.key.sign(&json!({"alg": "none", "kid": "one"}), &liar.claims(nonce)))
        }),
        ("the secret that we share", |liar, nonce| {
            let signed = unsigned(&json!({"alg": "HS256"}), &liar.claims(nonce));
            let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
            answer(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)))
        }),
        ("the public key as a secret", |liar, nonce| {
            let signed = unsigned(&json!({"alg": "HS256", "kid": "one"}), &liar.claims(nonce));
            let key = liar.key.public("one").to_string();
            let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), signed.as_bytes());
            answer(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)))
        }),
        ("another key", |liar, nonce| {
            answer(&Key::new().sign(&json!({"alg": "ES256", "kid": "one"}), &liar.claims(nonce)))
        }),
        ("a key that is not published", |liar, nonce| {
            answer(&Key::new().sign(&json!({"alg": "ES256", "kid": "two"}), &liar.claims(nonce)))
        }),
        ("a key that it brings along", |liar, nonce| {
            let key = Key::new();
            let header = json!({"alg": "ES256", "kid": "one", "jwk": key.public("one")});
            answer(&key.sign(&header, &liar.claims(nonce)))
        }),
        ("a changed claim", |liar, nonce| {
            let (_, body) = liar.honest(nonce);
            let parts: Vec<_> = body["id_token"].as_str().unwrap().split('.').collect();
            let claims = with(liar, nonce, "sub", json!("somebody else")).to_string();
            answer(&format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims), parts[2]))
        }),
        ("another issuer", |liar, nonce| liar.signed(&with(liar, nonce, "iss", json!("https://evil.example")))),
        ("another audience", |liar, nonce| liar.signed(&with(liar, nonce, "aud", json!("another program")))),
        ("a second audience", |liar, nonce| {
            liar.signed(&with(liar, nonce, "aud", json!(["sotto", "another program"])))
        }),
        ("another party", |liar, nonce| liar.signed(&with(liar, nonce, "azp", json!("another program")))),
        ("an end that has passed", |liar, nonce| liar.signed(&with(liar, nonce, "exp", json!(1_600_000_000)))),
        ("no end", |liar, nonce| liar.signed(&with(liar, nonce, "exp", Value::Null))),
        ("another nonce", |liar, nonce| liar.signed(&with(liar, nonce, "nonce", json!("replayed")))),
        ("no nonce", |liar, nonce| liar.signed(&with(liar, nonce, "nonce", Value::Null))),
        ("no subject", |liar, nonce| liar.signed(&with(liar, nonce, "sub", Value::Null))),
        ("a subject that is none", |liar, nonce| liar.signed(&with(liar, nonce, "sub", json!("a\u{0}b")))),
        ("no token", |_, _| (200, json!({"access_token": "a", "token_type": "Bearer"}))),
        ("something else", |_, _| answer("a.b.c")),
    ];
    for (what, forgery) in forgeries {
        liar.answers.lock().unwrap().token = Box::new(forgery);
        let end = sign_in(&server).await;
        assert!(["/login?error=invalid_token", "/login?error=provider_error"].contains(&end.as_str()), "{what}: {end}");
    }
    assert_eq!(
        server.app.storage.users().list(&UserQuery { limit: 10, ..UserQuery::default() }).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn a_provider_that_answers_nonsense_is_told_so() {
    let liar = Liar::start().await;
    let server = server(&liar).await;
    let answers: [(u16, Value, &str); 4] = [
        (400, json!({"error": "invalid_grant", "error_description": "spent"}), "provider_error"),
        (500, json!({}), "provider_error"),
        (200, json!([1]), "provider_error"),
        (200, json!({"access_token": "x".repeat(2 << 20), "token_type": "Bearer"}), "provider_unavailable"),
    ];
    for (status, body, code) in answers {
        let shown = body.to_string().len();
        liar.answers.lock().unwrap().token = Box::new(move |_, _| (status, body.clone()));
        assert_eq!(sign_in(&server).await, format!("/login?error={code}"), "{status}, {shown} bytes");
    }
}

/// Each with a server of its own, which has not spoken with it before.
#[tokio::test]
async fn a_description_is_not_believed_blindly() {
    let honest = Liar::start().await;
    for (field, value) in [
        ("issuer", json!("https://evil.example")),
        ("issuer", Value::Null),
        ("token_endpoint", json!("http://192.0.2.1/token")),
        ("jwks_uri", json!("http://192.0.2.1/keys")),
        ("jwks_uri", json!(format!("{}/nothing", honest.issuer))),
    ] {
        let liar = Liar::start().await;
        let mut description = liar.description();
        description[field] = value.clone();
        liar.answers.lock().unwrap().description = Some(description);
        let end = sign_in(&server(&liar).await).await;
        assert_eq!(end, "/login?error=provider_unavailable", "{field} {value}");
    }
}

#[tokio::test]
async fn claims_are_taken_as_far_as_they_are_good() {
    let liar = Liar::start().await;
    let server = server(&liar).await;
    let long = "x".repeat(300);
    for (claim, value, end) in [
        ("email_verified", json!(false), "/login?error=email_not_verified"),
        ("email_verified", Value::Null, "/login?error=email_not_verified"),
        ("email_verified", json!("false"), "/login?error=email_not_verified"),
        ("email", json!("no address"), "/login?error=email_missing"),
        ("email", Value::Null, "/login?error=email_missing"),
        ("name", json!(long), "/"),
    ] {
        liar.answers.lock().unwrap().token =
            Box::new(move |liar, nonce| liar.signed(&with(liar, nonce, claim, value.clone())));
        assert_eq!(sign_in(&server).await, end, "{claim}");
    }
    let users = server.app.storage.users().list(&UserQuery { limit: 10, ..UserQuery::default() }).await.unwrap();
    assert_eq!((users.len(), users[0].full_name.as_deref(), users[0].email.as_str()), (1, None, "eve@example.org"));
    // A picture that a browser would take for something else, and a zone that there is not.
    liar.answers.lock().unwrap().token = Box::new(|liar, nonce| {
        let mut claims = with(liar, nonce, "sub", json!("liar-2"));
        claims["email"] = json!("mallory@example.org");
        claims["email_verified"] = json!("true");
        claims["picture"] = json!("javascript:alert(1)");
        claims["zoneinfo"] = json!("Mars/Olympus");
        liar.signed(&claims)
    });
    assert_eq!(sign_in(&server).await, "/");
    let users = server.app.storage.users().list(&UserQuery { limit: 10, ..UserQuery::default() }).await.unwrap();
    assert_eq!((users[1].avatar_url.as_deref(), users[1].time_zone.name()), (None, "UTC"));
}

/// Claims with one of them changed, or left out.
fn with(liar: &Liar, nonce: &str, claim: &str, value: Value) -> Value {
    let mut claims = liar.claims(nonce);
    claims[claim] = value;
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}
