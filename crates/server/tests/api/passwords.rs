//! Which passwords are accepted, and their one form.

use argon2::PasswordHasher;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::on_both_engines;
use crate::server::{ApiResponse, PASSWORD, Server};

on_both_engines!(common_and_personal_passwords_are_refused, a_password_has_one_form,);

async fn common_and_personal_passwords_are_refused(server: Server) {
    let (root, ada) = (server.superuser("root").await, server.person("lovelace-ada").await);
    let of_ada = format!("/api/admin/users/{}", ada.id);
    for (password, code) in [
        ("password", "guessable_password"),
        ("12345678", "guessable_password"),
        ("        ", "guessable_password"),
        ("lovelace-ada", "personal_password"),
        ("lovelace-ada@example.org", "personal_password"),
        ("Lovelace", "personal_password"),
        ("äöüäöü", "too_short"),
    ] {
        let account = json!({"email": "lovelace-ada@example.org", "password": password, "full_name": "Ada Lovelace"});
        let register = server.request(Method::POST, "/api/auth/register").json(&account);
        for (response, place) in [
            (ApiResponse::receive(register).await, "body.password"),
            (root.post("/api/admin/users", account).await, "body.password"),
            (root.put(&of_ada, json!({"password": password})).await, "body.password"),
            (
                ada.put("/api/users/me/password", json!({"current_password": PASSWORD, "new_password": password}))
                    .await,
                "body.new_password",
            ),
        ] {
            assert_eq!(response.body["errors"][0]["code"], code, "{password}: {}", response.body);
            assert_eq!(response.refused(), place);
        }
    }
    server.login(&ada.email, PASSWORD).await;
}

async fn a_password_has_one_form(server: Server) {
    let ada = server.person("ada").await;
    let (composed, decomposed) = ("schöne grüße", "scho\u{308}ne gru\u{308}ße");
    let change = json!({"current_password": PASSWORD, "new_password": decomposed});
    ada.put("/api/users/me/password", change).await.expect(StatusCode::OK);
    for spelling in [composed, decomposed] {
        server.login(&ada.email, spelling).await;
    }
    // An earlier version hashed what was typed.
    let old = argon2::Argon2::default().hash_password_with_salt(decomposed.as_bytes(), &[7; 16]);
    let old: argon2::password_hash::phc::PasswordHash = old.unwrap();
    server.scratch.execute(&format!("UPDATE users SET hashed_password = '{old}'")).await.unwrap();
    server.login(&ada.email, decomposed).await;
    // Passwords that are refused today still sign in and can be changed.
    let old = argon2::Argon2::default().hash_password_with_salt(b"password", &[7; 16]);
    let old: argon2::password_hash::phc::PasswordHash = old.unwrap();
    server.scratch.execute(&format!("UPDATE users SET hashed_password = '{old}'")).await.unwrap();
    server.login(&ada.email, "password").await;
    let change = json!({"current_password": "password", "new_password": PASSWORD});
    ada.put("/api/users/me/password", change).await.expect(StatusCode::OK);
}
