//! Addresses that nobody has verified: an attacker who registers another person's address learns nothing of that
//! person, and has no access to the account once it is theirs.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_domain::Clock;
use sotto_server::{Config, ProviderSettings, Registration};
use sotto_storage::testing::Scratch;

use super::browser::Browser;
use super::forging_provider::ForgingProvider;
use crate::server::{PASSWORD, Person, Server, free_port, lenient};

const REFUSED: &str = "/login?error=address_not_verified";
const VICTIM: &str = "victim@example.org";

/// A server, and a provider that says what a test wants.
struct Setup {
    server: Server,
    provider: Arc<ForgingProvider>,
}

macro_rules! with_any_provider {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Setup::new(sotto_storage::testing::Scratch::sqlite(), Open).await).await;
            })+
            use sotto_server::Registration::Open;
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Setup::new(sotto_storage::testing::Scratch::postgres().await, Open).await).await;
            })+
            use sotto_server::Registration::Open;
        }
    };
}

with_any_provider!(
    a_registered_address_of_somebody_else_is_not_linked,
    an_address_that_a_member_changed_to_is_not_linked,
    a_verified_address_is_linked,
    a_linked_identity_with_the_same_address_verifies_it,
    an_address_outside_ascii_is_never_linked,
);

async fn a_registered_address_of_somebody_else_is_not_linked(setup: Setup) {
    let attacker = setup.server.person("victim").await;
    let (end, victim) = setup.sign_in(VICTIM).await;
    assert_eq!((end.as_str(), victim.cookies()), (REFUSED, vec![]));
    victim.get("/api/users/me").await.expect(StatusCode::UNAUTHORIZED);
    expect_no_identity(&attacker).await;

    // The operator gives the address to its owner: everything that the attacker has ends, and the provider is linked.
    let token = json!({"name": "spy", "scopes": ["entries:read"]});
    let token = attacker.post("/api/users/me/tokens", token).await.expect(StatusCode::CREATED);
    let users = setup.server.app.storage.users();
    let hash = sotto_domain::account::PasswordHash("$argon2id$unknown".into());
    let id = sotto_domain::UserId(attacker.id.parse().unwrap());
    let revoked = users.reset_credentials(id, &hash, setup.server.clock.now()).await.unwrap().unwrap();
    assert_eq!((revoked.sessions, revoked.api_tokens), (1, 1));
    setup.verify(&attacker).await;
    let (end, victim) = setup.sign_in(VICTIM).await;
    assert_eq!(end, "/");
    assert_eq!(victim.get("/api/users/me").await.expect(StatusCode::OK)["id"], attacker.id);
    let server = &setup.server;
    let spy = server.request(Method::GET, "/api/journals/").bearer_auth(token["token"].as_str().unwrap());
    assert_eq!(spy.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let login = json!({"email": VICTIM, "password": PASSWORD});
    let login = server.request(Method::POST, "/api/auth/login").json(&login).send().await.unwrap();
    assert_eq!(login.status(), StatusCode::UNAUTHORIZED);
}

async fn an_address_that_a_member_changed_to_is_not_linked(setup: Setup) {
    let attacker = setup.server.person("member").await;
    // Even an account whose own address was verified.
    setup.verify(&attacker).await;
    let change = json!({"email": VICTIM, "current_password": PASSWORD});
    assert_eq!(attacker.put("/api/users/me", change).await.expect(StatusCode::OK)["email_verified"], false);
    let (end, victim) = setup.sign_in(VICTIM).await;
    assert_eq!((end.as_str(), victim.cookies()), (REFUSED, vec![]));
    expect_no_identity(&attacker).await;
}

async fn a_verified_address_is_linked(setup: Setup) {
    let ada = setup.server.person("ada").await;
    assert_eq!(setup.sign_in(&ada.email).await.0, REFUSED);
    setup.verify(&ada).await;
    let (end, browser) = setup.sign_in("ADA@example.org").await;
    assert_eq!(end, "/");
    assert_eq!(browser.get("/api/users/me").await.expect(StatusCode::OK)["id"], ada.id);
    // From now on the identity counts, whatever becomes of the address.
    let change = json!({"email": "countess@example.org", "current_password": PASSWORD});
    ada.put("/api/users/me", change).await.expect(StatusCode::OK);
    let (end, browser) = setup.sign_in("ada@example.org").await;
    assert_eq!(end, "/");
    let me = browser.get("/api/users/me").await.expect(StatusCode::OK);
    assert_eq!((&me["id"], &me["email_verified"]), (&json!(ada.id), &json!(false)));
}

async fn a_linked_identity_with_the_same_address_verifies_it(setup: Setup) {
    let ada = setup.server.person("ada").await;
    let is_verified = async || ada.get("/api/users/me").await.expect(StatusCode::OK)["email_verified"] == true;
    let browser = Browser::new(&setup.server);
    browser.login(&ada.email).await;
    // Another address says nothing about the account's.
    setup.says(&json!({"sub": "one", "email": "other@example.org", "email_verified": true}));
    assert_eq!(browser.sign_in_at_once(&setup.start("?link=true&next=/settings")).await, "/settings");
    assert!(!is_verified().await);
    setup.says(&json!({"sub": "two", "email": "ada@example.org", "email_verified": false}));
    assert_eq!(browser.sign_in_at_once(&setup.start("?link=true&next=/settings")).await, "/settings");
    assert!(!is_verified().await);
    // The provider has verified it in the meantime, and the next sign-in says so.
    setup.says(&json!({"sub": "two", "email": "ada@example.org", "email_verified": true}));
    let again = Browser::new(&setup.server);
    assert_eq!(again.sign_in_at_once(&setup.start("")).await, "/");
    assert!(is_verified().await);

    let ben = setup.server.person("ben").await;
    let browser = Browser::new(&setup.server);
    browser.login(&ben.email).await;
    setup.says(&json!({"sub": "ben", "email": "Ben@example.org", "email_verified": true}));
    assert_eq!(browser.sign_in_at_once(&setup.start("?link=true&next=/settings")).await, "/settings");
    assert_eq!(ben.get("/api/users/me").await.expect(StatusCode::OK)["email_verified"], true);
}

async fn an_address_outside_ascii_is_never_linked(setup: Setup) {
    let kim = setup.server.person("kim").await;
    setup.verify(&kim).await;
    // Lower-cased by the rules of Unicode, the Kelvin sign is a k.
    for other in ["\u{212a}im@example.org", "ｋim@example.org", "kim@ｅxample.org"] {
        assert_eq!(setup.sign_in(other).await.0, "/login?error=email_missing", "{other}");
    }
    expect_no_identity(&kim).await;
    // A new account may have such a domain, but its address is not verified by it, and its form finds no account.
    assert_eq!(setup.sign_in("ada@bücher.example").await.0, "/");
    setup.says(&json!({"sub": "another", "email": "ada@bücher.example", "email_verified": true}));
    let browser = Browser::new(&setup.server);
    assert_eq!(browser.sign_in_at_once(&setup.start("")).await, REFUSED);
    let verified = "UPDATE users SET email_verified_at = created_at";
    setup.server.scratch.execute(verified).await.unwrap();
    assert_eq!(browser.sign_in_at_once(&setup.start("")).await, REFUSED);
    setup.says(&json!({"sub": "another", "email": "ada@xn--bcher-kva.example", "email_verified": true}));
    assert_eq!(browser.sign_in_at_once(&setup.start("")).await, "/");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_account_by_a_provider_closes_sign_up() {
    for scratch in [Scratch::sqlite(), Scratch::postgres().await] {
        let setup = Setup::new(scratch, Registration::First).await;
        let (end, browser) = setup.sign_in("ada@example.org").await;
        assert_eq!(end, "/");
        let me = browser.get("/api/users/me").await.expect(StatusCode::OK);
        assert_eq!((&me["is_superuser"], &me["email_verified"]), (&json!(true), &json!(true)));
        setup.says(&json!({"sub": "two", "email": "ben@example.org", "email_verified": true}));
        let second = Browser::new(&setup.server).sign_in_at_once(&setup.start("")).await;
        assert_eq!(second, "/login?error=registration_closed");
        assert_eq!(setup.sign_in("ada@example.org").await.0, "/");
    }
}

impl Setup {
    async fn new(scratch: Scratch, registration: Registration) -> Self {
        let provider = ForgingProvider::start().await;
        let listener = free_port().await;
        let public_url = Some(format!("http://{}", listener.local_addr().unwrap()));
        let settings = ProviderSettings {
            id: "provider".into(),
            name: "A provider".into(),
            issuer: provider.issuer.clone(),
            client_id: "sotto".into(),
            client_secret: "shared".into(),
            scopes: vec![],
        };
        let config = Config { registration, public_url, providers: vec![settings], ..lenient() };
        Self { server: Server::start_on(listener, scratch, config).await, provider }
    }

    fn start(&self, query: &str) -> String {
        format!("http://{}/api/auth/oidc/provider/start{query}", self.server.address)
    }

    /// From now on, the provider vouches for these claims.
    fn says(&self, claims: &Value) {
        let said = claims.as_object().unwrap().clone();
        self.provider.responses.lock().unwrap().token = Box::new(move |provider, nonce| {
            let mut claims = provider.claims(nonce);
            claims.as_object_mut().unwrap().extend(said.clone());
            provider.signed(&claims)
        });
    }

    /// Signs in with an address that the provider has verified, in a new browser. Returns where it ends up.
    async fn sign_in(&self, email: &str) -> (String, Browser) {
        self.says(&json!({"email": email, "email_verified": true}));
        let browser = Browser::new(&self.server);
        (browser.sign_in_at_once(&self.start("")).await, browser)
    }

    /// As `sotto user verify` does.
    async fn verify(&self, person: &Person<'_>) {
        let id = sotto_domain::UserId(person.id.parse().unwrap());
        let email = sotto_domain::account::Email::parse(&person.email).unwrap();
        let users = self.server.app.storage.users();
        assert!(users.verify_email(id, &email, self.server.clock.now()).await.unwrap());
    }
}

async fn expect_no_identity(person: &Person<'_>) {
    let identities = person.get("/api/users/me/identities").await;
    assert_eq!(identities.expect(StatusCode::OK), json!([]));
}
