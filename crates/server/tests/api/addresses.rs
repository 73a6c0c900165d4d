//! The one form of addresses, and addresses that earlier versions stored in another form.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::on_both_engines;
use crate::server::{ApiResponse, PASSWORD, Server};

on_both_engines!(
    a_domain_has_one_form,
    letters_that_look_alike_find_nobody,
    hidden_characters_are_refused,
    addresses_of_earlier_versions_still_sign_in,
    superusers_verify_addresses,
);

async fn a_domain_has_one_form(server: Server) {
    let created = register(&server, "Ada@BÜCHER.example").await.expect(StatusCode::CREATED);
    assert_eq!(created["email"], "ada@xn--bcher-kva.example");
    assert_eq!(created["email_verified"], false);
    for same in ["ada@bücher.example", "ADA@Bücher.Example", "ada@bu\u{308}cher.example", "ada@xn--bcher-kva.example"]
    {
        server.login(same, PASSWORD).await;
        register(&server, same).await.expect(StatusCode::CONFLICT);
    }
}

async fn letters_that_look_alike_find_nobody(server: Server) {
    register(&server, "kim@example.org").await.expect(StatusCode::CREATED);
    for other in ["\u{212a}im@example.org", "ｋim@example.org", "kim@ｅxample.org", "kіm@example.org"] {
        login(&server, other).await.expect(StatusCode::UNAUTHORIZED);
        let refused = register(&server, other).await;
        assert_eq!(code_of(refused, "body.email"), "not_an_email");
    }
}

async fn hidden_characters_are_refused(server: Server) {
    let ada = server.person("ada").await;
    for hidden in ["\u{200b}", "\u{202e}", "\u{feff}", "\u{ad}"] {
        let refused = register(&server, &format!("a{hidden}da@example.org")).await;
        assert_eq!(code_of(refused, "body.email"), "hidden_characters");
        let named = ada.put("/api/users/me", json!({"full_name": format!("Ada{hidden}")})).await;
        assert_eq!(code_of(named, "body.full_name"), "hidden_characters");
        login(&server, &format!("a{hidden}da@example.org")).await.expect(StatusCode::UNAUTHORIZED);
    }
}

/// They were lower-cased by the rules of Unicode, and domains were kept as typed.
async fn addresses_of_earlier_versions_still_sign_in(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    for (person, stored) in [(&ada, "ädä@example.org"), (&ben, "ben@bücher.example")] {
        let change = format!("UPDATE users SET email = '{stored}' WHERE email = '{}'", person.email);
        server.scratch.execute(&change).await.unwrap();
        assert_eq!(person.get("/api/users/me").await.expect(StatusCode::OK)["email"], stored);
        // The app sends the address along with other changes.
        let named = json!({"email": stored, "full_name": "A name"});
        assert_eq!(person.put("/api/users/me", named).await.expect(StatusCode::OK)["email"], stored);
    }
    for email in ["ädä@example.org", "ÄDÄ@Example.org", "ben@bücher.example", "Ben@Bücher.example"] {
        server.login(email, PASSWORD).await;
    }
    // The other form is the same address: it signs in, and belongs to nobody else.
    server.login("ben@xn--bcher-kva.example", PASSWORD).await;
    for taken in ["ben@xn--bcher-kva.example", "ben@BÜCHER.example"] {
        register(&server, taken).await.expect(StatusCode::CONFLICT);
        let change = json!({"email": taken, "current_password": PASSWORD});
        ada.put("/api/users/me", change).await.expect(StatusCode::CONFLICT);
    }
    // Its owner may change it to the one form.
    let change = json!({"email": "ben@xn--bcher-kva.example", "current_password": PASSWORD});
    let changed = ben.put("/api/users/me", change).await.expect(StatusCode::OK);
    assert_eq!(changed["email"], "ben@xn--bcher-kva.example");
    server.login("ben@bücher.example", PASSWORD).await;

    let root = server.superuser("root").await;
    let all = root.get("/api/admin/users?limit=2").await;
    let next = all.next().unwrap();
    assert_eq!(root.get(&next).await.expect(StatusCode::OK)[0]["email"], "ädä@example.org");
}

async fn superusers_verify_addresses(server: Server) {
    let (root, ada) = (server.superuser("root").await, server.person("ada").await);
    let path = format!("/api/admin/users/{}", ada.id);
    let is_verified = async || ada.get("/api/users/me").await.expect(StatusCode::OK)["email_verified"].clone();
    assert_eq!(is_verified().await, false);
    assert_eq!(root.put(&path, json!({"email_verified": true})).await.expect(StatusCode::OK)["email_verified"], true);
    assert_eq!(is_verified().await, true);
    // Users cannot do it themselves, and a new address is not verified.
    let own = ada.put("/api/users/me", json!({"email_verified": true})).await;
    assert_eq!(own.refused(), "body.email_verified");
    let same = json!({"email": "ADA@example.org", "full_name": "Ada"});
    assert_eq!(ada.put("/api/users/me", same).await.expect(StatusCode::OK)["email_verified"], true);
    let moved = json!({"email": "countess@example.org", "current_password": PASSWORD});
    assert_eq!(ada.put("/api/users/me", moved).await.expect(StatusCode::OK)["email_verified"], false);

    let both = json!({"email": "ada@example.org", "email_verified": true});
    let both = root.put(&path, both).await.expect(StatusCode::OK);
    assert_eq!((&both["email"], &both["email_verified"]), (&json!("ada@example.org"), &json!(true)));
    let address = root.put(&path, json!({"email": "new@example.org"})).await.expect(StatusCode::OK);
    assert_eq!(address["email_verified"], false);
    root.put(&path, json!({"email": root.email})).await.expect(StatusCode::CONFLICT);
    let created = json!({"email": "ben@example.org", "password": PASSWORD});
    assert_eq!(root.post("/api/admin/users", created).await.expect(StatusCode::CREATED)["email_verified"], true);
    let all = root.get("/api/admin/users").await.expect(StatusCode::OK);
    let verified: Vec<_> = all.as_array().unwrap().iter().map(|user| user["email_verified"].clone()).collect();
    assert_eq!(verified, [true, false, false]);
}

async fn register(server: &Server, email: &str) -> ApiResponse {
    let account = json!({"email": email, "password": PASSWORD});
    ApiResponse::receive(server.request(Method::POST, "/api/auth/register").json(&account)).await
}

async fn login(server: &Server, email: &str) -> ApiResponse {
    let login = json!({"email": email, "password": PASSWORD});
    ApiResponse::receive(server.request(Method::POST, "/api/auth/login").json(&login)).await
}

/// The code of the one field error, which is of this field.
#[track_caller]
fn code_of(response: ApiResponse, place: &str) -> Value {
    let code = response.body["errors"][0]["code"].clone();
    assert_eq!(response.refused(), place);
    code
}
