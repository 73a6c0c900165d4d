//! Sign-in with a provider, against the certified `oidc-provider` (npm) and against a provider with forged responses.

mod browser;
mod certified_provider;
mod forged_responses;
mod forging_provider;
mod unverified_addresses;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_domain::{Clock, UserId};
use sotto_server::{Config, Registration};

use crate::server::{ApiResponse, PASSWORD, Server};
use browser::Browser;
use certified_provider::Setup;

/// Runs each of these functions on SQLite and on PostgreSQL, with a separate provider and server.
macro_rules! with_a_provider {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Setup::new(sotto_storage::testing::Scratch::sqlite()).await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Setup::new(sotto_storage::testing::Scratch::postgres().await).await).await;
            })+
        }
    };
}

with_a_provider!(
    a_new_user_signs_up_and_signs_in_again,
    an_account_is_found_only_by_its_verified_address,
    a_signed_in_user_links_a_provider,
    a_user_without_a_password_confirms_with_the_provider,
    nobody_finishes_what_another_user_has_begun,
    only_the_response_to_this_browsers_handshake_is_accepted,
    closed_servers_and_deactivated_accounts,
    providers_rotate_their_keys_and_become_unreachable,
);

const IDENTITIES: &str = "/api/users/me/identities";

async fn a_new_user_signs_up_and_signs_in_again(setup: Setup) {
    let browser = Browser::new(&setup.server);
    // In two tabs at once, the second finds the account of the first.
    let (start, tab) = (setup.start("?next=/entries%3Fq=a"), Browser::new(&setup.server));
    let (one, two) = (browser.until_callback(&start, "ada").await, tab.until_callback(&start, "ada").await);
    let ends = tokio::join!(browser.follow(&one), tab.follow(&two));
    assert_eq!(ends, ("/entries?q=a".to_owned(), "/entries?q=a".to_owned()));
    let me = browser.get("/api/users/me").await.expect(StatusCode::OK);
    assert_eq!(
        [&me["email"], &me["full_name"], &me["avatar_url"], &me["time_zone"]],
        ["ada@example.org", "Ada Lovelace", "https://example.org/ada.png", "Europe/London"]
    );
    assert_eq!(me["email_verified"], true);
    let cookies = browser.cookies();
    assert_eq!(
        cookies,
        [
            "sotto_access; HttpOnly; SameSite=Strict; Path=/api",
            "sotto_refresh; HttpOnly; SameSite=Strict; Path=/api/auth"
        ]
    );

    // The same user in another browser gets the same account, even with a new address.
    let again = Browser::new(&setup.server);
    assert_eq!(again.sign_in(&setup.start(""), "ada").await, "/");
    assert_eq!(again.get("/api/users/me").await.expect(StatusCode::OK)["id"], me["id"]);
    assert_eq!(again.get("/api/users/me/sessions").await.expect(StatusCode::OK).as_array().unwrap().len(), 3);

    let identities = browser.get(IDENTITIES).await.expect(StatusCode::OK);
    let [identity] = identities.as_array().unwrap().as_slice() else { panic!("one identity: {identities}") };
    assert_eq!(
        [&identity["provider"], &identity["issuer"], &identity["email"]],
        ["test", setup.provider.issuer.as_str(), "ada@example.org"]
    );
    let path = format!("{IDENTITIES}/{}", identity["id"].as_str().unwrap());

    // Without a password, the identity is the only way to sign in. A first password needs no old one.
    browser.send(Method::DELETE, &path, Value::Null).await.expect(StatusCode::CONFLICT);
    let login = json!({"email": "ada@example.org", "password": PASSWORD});
    browser.send(Method::POST, "/api/auth/login", login).await.expect(StatusCode::UNAUTHORIZED);
    let short = json!({"new_password": "short"});
    assert_eq!(browser.send(Method::PUT, "/api/users/me/password", short).await.refused(), "body.new_password");
    let password = json!({"new_password": PASSWORD});
    browser.send(Method::PUT, "/api/users/me/password", password.clone()).await.expect(StatusCode::OK);
    let second = browser.send(Method::PUT, "/api/users/me/password", password).await;
    assert_eq!(second.refused(), "body.current_password");
    setup.server.login("ada@example.org", PASSWORD).await;
    browser.send(Method::DELETE, &path, Value::Null).await.expect(StatusCode::OK);
    browser.send(Method::DELETE, &path, Value::Null).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(browser.get(IDENTITIES).await.expect(StatusCode::OK), json!([]));
}

async fn an_account_is_found_only_by_its_verified_address(setup: Setup) {
    let (dora, _ben) = (setup.server.person("dora").await, setup.server.person("ben").await);
    let browser = Browser::new(&setup.server);
    assert_eq!(browser.sign_in(&setup.start(""), "dora").await, "/login?error=address_not_verified");
    let (root, path) = (setup.server.superuser("root").await, format!("/api/admin/users/{}", dora.id));
    root.put(&path, json!({"email_verified": true})).await.expect(StatusCode::OK);
    // The provider has the address as Dora@Example.org.
    assert_eq!(browser.sign_in(&setup.start(""), "dora").await, "/");
    let me = browser.get("/api/users/me").await.expect(StatusCode::OK);
    assert_eq!((&me["id"], &me["full_name"]), (&json!(dora.id), &json!("dora")));
    // The password still works.
    setup.server.login(&dora.email, PASSWORD).await;

    for (account, code) in [("ben", "email_not_verified"), ("carol", "email_missing")] {
        let browser = Browser::new(&setup.server);
        assert_eq!(browser.sign_in(&setup.start(""), account).await, format!("/login?error={code}"));
        assert_eq!(browser.cookies(), [""; 0]);
    }
}

async fn a_signed_in_user_links_a_provider(setup: Setup) {
    let server = &setup.server;
    let ada = server.person("ada").await;
    let browser = Browser::new(server);
    // Without a session.
    assert_eq!(browser.sign_in(&setup.start("?link=true"), "carol").await, "/login?error=sign_in_first");
    browser.login(&ada.email).await;
    // Carol has no address, so without an account she would be refused.
    assert_eq!(browser.sign_in(&setup.start("?link=true&next=/settings"), "carol").await, "/settings");
    assert_eq!(browser.sign_in(&setup.start("?link=true&next=/settings"), "ben").await, "/settings");
    let linked = browser.get(IDENTITIES).await.expect(StatusCode::OK);
    assert_eq!(
        (linked.as_array().unwrap().len(), &linked[0]["email"], &linked[1]["email"]),
        (2, &Value::Null, &json!("ben@example.org"))
    );
    assert_eq!(browser.get("/api/users/me").await.expect(StatusCode::OK)["id"], ada.id);
    // Linking again changes nothing, and the identity now opens the account.
    assert_eq!(browser.sign_in(&setup.start("?link=true"), "carol").await, "/");
    let elsewhere = Browser::new(server);
    assert_eq!(elsewhere.sign_in(&setup.start(""), "carol").await, "/");
    assert_eq!(elsewhere.get("/api/users/me").await.expect(StatusCode::OK)["id"], ada.id);

    // An identity of one account cannot be linked to another.
    let dora = server.person("dora").await;
    let other = Browser::new(server);
    other.login(&dora.email).await;
    assert_eq!(other.sign_in(&setup.start("?link=true"), "carol").await, "/login?error=linked_elsewhere");
    assert_eq!(other.get(IDENTITIES).await.expect(StatusCode::OK), json!([]));
    dora.get(IDENTITIES).await.expect(StatusCode::OK);
    let path = format!("{IDENTITIES}/{}", linked[0]["id"].as_str().unwrap());
    dora.delete(&path).await.expect(StatusCode::NOT_FOUND);

    // Without `link`, a signed-in user signs in as another user, or not at all, and nothing is linked.
    let third = Browser::new(server);
    third.login(&dora.email).await;
    assert_eq!(third.sign_in(&setup.start(""), "ben").await, "/");
    assert_eq!(third.get("/api/users/me").await.expect(StatusCode::OK)["id"], ada.id);
    assert_eq!(dora.get(IDENTITIES).await.expect(StatusCode::OK), json!([]));

    // The session that started the link ends before the callback.
    let callback = other.until_callback(&setup.start("?link=true"), "dora").await;
    let sessions = other.get("/api/users/me/sessions").await.expect(StatusCode::OK);
    let current = sessions.as_array().unwrap().iter().find(|session| session["is_current"] == true).unwrap();
    let path = format!("/api/users/me/sessions/{}", current["id"].as_str().unwrap());
    dora.delete(&path).await.expect(StatusCode::OK);
    assert_eq!(other.follow(&callback).await, "/login?error=sign_in_first");
    // A session that is not recent starts none.
    other.login(&dora.email).await;
    server.age_sessions().await;
    assert_eq!(other.sign_in(&setup.start("?link=true"), "dora").await, "/login?error=confirm_sign_in");
    assert_eq!(dora.get(IDENTITIES).await.expect(StatusCode::OK), json!([]));
}

async fn a_user_without_a_password_confirms_with_the_provider(setup: Setup) {
    let browser = Browser::new(&setup.server);
    assert_eq!(browser.sign_in(&setup.start("?confirm=true"), "ada").await, "/login?error=sign_in_first");
    assert_eq!(browser.sign_in(&setup.start(""), "ada").await, "/");
    setup.server.age_sessions().await;
    let password = json!({"new_password": PASSWORD});
    let set_password = async || browser.send(Method::PUT, "/api/users/me/password", password.clone()).await;
    assert_eq!(set_password().await.expect(StatusCode::FORBIDDEN)["code"], "confirm_sign_in");
    let both = browser.get("/api/auth/oidc/test/start?confirm=true&link=true").await;
    assert_eq!(both.refused(), "query.confirm");
    // With an identity of nobody, and of another account.
    let dora = setup.server.person("dora").await;
    let other = Browser::new(&setup.server);
    other.login(&dora.email).await;
    for _ in 0..2 {
        assert_eq!(browser.sign_in(&setup.start("?confirm=true"), "dora").await, "/login?error=wrong_identity");
        assert_eq!(other.sign_in(&setup.start("?link=true"), "dora").await, "/");
    }
    set_password().await.expect(StatusCode::FORBIDDEN);
    let sessions = async || browser.get("/api/users/me/sessions").await.expect(StatusCode::OK);
    let before = sessions().await;
    assert_eq!(browser.sign_in(&setup.start("?confirm=true&next=/settings"), "ada").await, "/settings");
    assert_eq!(sessions().await, before, "it is still the same session");
    set_password().await.expect(StatusCode::OK);
}

async fn nobody_finishes_what_another_user_has_begun(setup: Setup) {
    let server = &setup.server;
    let (ben, dora) = (server.person("ben").await, server.person("dora").await);
    let browser = Browser::new(server);
    let mismatch = "/login?error=state_mismatch";
    let me = async || browser.get("/api/users/me").await.expect(StatusCode::OK)["id"].clone();
    // Started while nobody was signed in.
    let callback = browser.until_callback(&setup.start(""), "ada").await;
    browser.login(&ben.email).await;
    assert_eq!(browser.follow(&callback).await, mismatch);
    assert_eq!(me().await, ben.id);
    // Started by Ben, who is signed in still, but no longer in this browser.
    for query in ["?link=true", "?confirm=true", ""] {
        browser.login(&ben.email).await;
        let callback = browser.until_callback(&setup.start(query), "ada").await;
        browser.login(&dora.email).await;
        assert_eq!(browser.follow(&callback).await, mismatch, "{query}");
        assert_eq!(me().await, dora.id);
        // Signing out ends it too.
        let callback = browser.until_callback(&setup.start(query), "ada").await;
        browser.send(Method::POST, "/api/auth/logout", Value::Null).await.expect(StatusCode::OK);
        assert_eq!(browser.follow(&callback).await, mismatch, "{query}");
        assert_eq!(browser.cookies(), [""; 0]);
    }
    for person in [&ben, &dora] {
        assert_eq!(person.get(IDENTITIES).await.expect(StatusCode::OK), json!([]));
    }
    // The tokens of a session are exchanged while its user is at the provider.
    browser.login(&ben.email).await;
    let callback = browser.until_callback(&setup.start("?link=true"), "ada").await;
    browser.send(Method::POST, "/api/auth/refresh", Value::Null).await.expect(StatusCode::OK);
    assert_eq!(browser.follow(&callback).await, "/");
    assert_eq!(ben.get(IDENTITIES).await.expect(StatusCode::OK).as_array().unwrap().len(), 1);
}

async fn only_the_response_to_this_browsers_handshake_is_accepted(setup: Setup) {
    let browser = Browser::new(&setup.server);
    let error = |code: &str| format!("/login?error={code}");
    assert_eq!(browser.sign_in(&setup.start(""), "cancel").await, error("access_denied"));
    assert_eq!(browser.cookies(), [""; 0]);

    // Another browser opens the callback: it has no handshake, or another one.
    let callback = browser.until_callback(&setup.start(""), "ada").await;
    let other = Browser::new(&setup.server);
    assert_eq!(other.follow(&callback).await, error("state_mismatch"));
    other.until_callback(&setup.start(""), "ada").await;
    assert_eq!(other.follow(&callback).await, error("state_mismatch"));
    // The handshake cannot be forged, or used for another provider.
    let kept = browser.cookie("sotto_oidc").unwrap();
    other.keep("sotto_oidc", &kept[..kept.len() - 4]);
    assert_eq!(other.follow(&callback).await, error("state_mismatch"));
    other.keep("sotto_oidc", &kept);
    assert_eq!(other.follow(&callback.replace("/test/", "/second/")).await, error("state_mismatch"));
    assert_eq!(other.follow(&callback.replace("/test/", "/none/")).await, error("unknown_provider"));
    // Parts of a handshake, or changed ones. A refusal ends the sign-in.
    let (address, _) = callback.split_once('?').unwrap();
    let state = callback.split(['?', '&']).find(|part| part.starts_with("state=")).unwrap();
    for (query, code) in [
        (String::new(), "state_mismatch"),
        ("code=x".to_owned(), "state_mismatch"),
        (format!("{state}&{state}"), "state_mismatch"),
        (format!("{state}x&code=x"), "state_mismatch"),
        (state.to_owned(), "provider_error"),
        (format!("{state}&code=x"), "provider_error"),
        (format!("{state}&error=access_denied&iss={}", setup.provider.issuer), "access_denied"),
        (format!("{state}&error=access_denied"), "provider_error"),
        (format!("{state}&error=%0d%0ax"), "provider_error"),
        (format!("{state}&code=x&iss=https://evil.example"), "provider_error"),
    ] {
        other.keep("sotto_oidc", &kept);
        assert_eq!(other.follow(&format!("{address}?{query}")).await, error(code), "{query}");
        assert_eq!(other.cookies(), [""; 0], "{query}");
    }

    // The browser that started may sign in once. The code is then used up, even for someone with the cookie.
    assert_eq!(browser.follow(&callback).await, "/");
    browser.get("/api/users/me").await.expect(StatusCode::OK);
    let replay = Browser::new(&setup.server);
    assert_eq!(replay.follow(&callback).await, error("state_mismatch"));
    replay.keep("sotto_oidc", &kept);
    assert_eq!(replay.follow(&callback).await, error("provider_error"));

    // Ten minutes are enough.
    let late = browser.until_callback(&setup.start(""), "ada").await;
    setup.server.clock.advance(601);
    assert_eq!(browser.follow(&late).await, error("expired"));

    for next in ["//evil.example", "/%5Cevil.example", "https://evil.example", "/a%0d%0ab", "entries"] {
        let start = browser.get(&format!("/api/auth/oidc/test/start?next={next}")).await;
        assert_eq!(start.refused(), "query.next", "{next}");
    }
    for id in ["none", "%ff", "..%2f"] {
        let start = format!("{}/api/auth/oidc/{id}/start", setup.url());
        assert_eq!(browser.follow(&start).await, error("unknown_provider"), "{id}");
    }
}

async fn closed_servers_and_deactivated_accounts(setup: Setup) {
    let closed = Config { registration: Registration::Closed, ..setup.server.app.config.clone() };
    let setup = setup.restart(closed).await;
    let dora = setup.server.create_account_without_password("dora@example.org").await;
    let browser = Browser::new(&setup.server);
    assert_eq!(browser.sign_in(&setup.start(""), "ada").await, "/login?error=registration_closed");
    // Users with an account may sign in.
    assert_eq!(browser.sign_in(&setup.start(""), "dora").await, "/");
    assert_eq!(browser.get("/api/users/me").await.expect(StatusCode::OK)["id"], json!(dora.0));
    let active = async |active: bool| {
        setup.server.app.storage.users().set_active(dora, active, setup.server.clock.now()).await.unwrap()
    };
    assert!(active(false).await);
    let other = Browser::new(&setup.server);
    assert_eq!(other.sign_in(&setup.start(""), "dora").await, "/login?error=deactivated");
    assert_eq!(other.cookies(), [""; 0]);
    assert!(active(true).await);
    assert_eq!(other.sign_in(&setup.start(""), "dora").await, "/");
}

async fn providers_rotate_their_keys_and_become_unreachable(mut setup: Setup) {
    let browser = Browser::new(&setup.server);
    assert_eq!(browser.sign_in(&setup.start(""), "ada").await, "/");
    // A sign-in is in progress while the keys change, and the metadata is older than a minute.
    let browser = Browser::new(&setup.server);
    let callback = browser.until_callback(&setup.start(""), "ada").await;
    setup.provider.rotate().await;
    setup.server.clock.advance(61);
    assert_eq!(browser.follow(&callback).await, "/");
    // An ID token is valid for 5 minutes.
    let browser = Browser::new(&setup.server);
    let callback = browser.until_callback(&setup.start(""), "ada").await;
    setup.server.clock.advance(400);
    assert_eq!(browser.follow(&callback).await, "/login?error=invalid_token");

    let callback = browser.until_callback(&setup.start(""), "ada").await;
    setup.provider.stop().await;
    assert_eq!(browser.follow(&callback).await, "/login?error=provider_unavailable");
    // Known metadata is enough to redirect, and a new server starts without the provider.
    let node = setup.server.another(&setup.server.keys).await;
    for _ in 0..2 {
        let start = setup.server.client.get(format!("http://{node}/api/auth/oidc/test/start"));
        let response = ApiResponse::receive(start).await;
        assert_eq!(response.header("location"), Some("/login?error=provider_unavailable"));
    }
    let health = ApiResponse::receive(setup.server.client.get(format!("http://{node}/health/ready"))).await;
    health.expect(StatusCode::OK);
    // Other users sign in as usual.
    setup.server.person("eve").await;
}

impl Server {
    /// An account without a password, created by an operator.
    async fn create_account_without_password(&self, email: &str) -> UserId {
        let email = sotto_domain::account::Email::parse(email).unwrap();
        let id = UserId::new(&*self.clock, &sotto_server::system::SystemRandom);
        let time_zone = sotto_domain::Zone::utc();
        let new = sotto_domain::account::NewUser {
            id,
            email,
            password_hash: None,
            full_name: None,
            is_superuser: false,
            email_verified: true,
            time_zone,
        };
        self.app.storage.users().create(&new, None, self.clock.now()).await.unwrap().id
    }
}
