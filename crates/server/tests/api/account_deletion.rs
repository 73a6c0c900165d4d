//! Deleting an account: the password confirms it, and nothing is left.

use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_server::Config;
use sotto_storage::testing::Scratch;

use crate::on_both_engines;
use crate::server::{ApiResponse, PASSWORD, Server, lenient, wait_until_unauthorized};

on_both_engines!(
    deleting_an_account_deletes_everything,
    a_deleted_user_is_signed_out_on_every_node,
    account_deletion_requires_the_password,
    an_account_without_a_password_is_deleted_by_its_address,
    the_last_superuser_cannot_delete_the_account,
);

const ME: &str = "/api/users/me";

fn mine() -> Value {
    json!({"password": PASSWORD})
}

async fn deleting_an_account_deletes_everything(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    for person in [&ada, &ben] {
        person.write("zanzibar", "2025-01-22T10:00:00Z", &["private"]).await;
    }
    let before = ben.get("/api/journals/").await.body;
    let login = json!({"email": ada.email, "password": PASSWORD, "cookie": true});
    let login = ApiResponse::receive(server.request(Method::POST, "/api/auth/login").json(&login)).await;
    let jar = |response: &ApiResponse| {
        let cookies = response.headers.get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap().to_owned());
        cookies.collect::<Vec<_>>()
    };
    let cookies: Vec<_> = jar(&login).iter().map(|cookie| cookie.split(';').next().unwrap().to_owned()).collect();
    let by_cookie = server.request(Method::DELETE, ME).header(COOKIE, cookies.join("; ")).json(&mine());
    let foreign = by_cookie.try_clone().unwrap().header("sec-fetch-site", "cross-site");
    ApiResponse::receive(foreign).await.expect(StatusCode::FORBIDDEN);
    let deleted = ApiResponse::receive(by_cookie).await;
    let cleared = jar(&deleted);
    assert!(cleared.len() == 3 && cleared.iter().all(|cookie| cookie.contains("Max-Age=0")), "{cleared:?}");
    assert_eq!(deleted.expect(StatusCode::OK), json!({"message": "Account deleted successfully"}));

    // All sessions end at once, and neither a sign-in nor a refresh works.
    ada.get(ME).await.expect(StatusCode::UNAUTHORIZED);
    ada.delete_with(ME, mine()).await.expect(StatusCode::UNAUTHORIZED);
    let again = json!({"email": ada.email, "password": PASSWORD});
    let login = server.request(Method::POST, "/api/auth/login").json(&again);
    ApiResponse::receive(login).await.expect(StatusCode::UNAUTHORIZED);
    let refresh = server.request(Method::POST, "/api/auth/refresh").json(&json!({"refresh_token": ada.refresh_token}));
    ApiResponse::receive(refresh).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(ben.get("/api/journals/?q=zanzibar").await.body, before);

    // The address is free, and a new account does not get the old data.
    let new_account = server.person("ada").await;
    assert_ne!(new_account.id, ada.id);
    for path in ["/api/journals/", "/api/journals/?q=zanzibar", "/api/tags/", "/api/reminders/"] {
        assert_eq!(new_account.get(path).await.expect(StatusCode::OK), json!([]), "{path}");
    }
}

async fn a_deleted_user_is_signed_out_on_every_node(server: Server) {
    let ada = server.person("ada").await;
    let other_node = server.another(&server.keys).await;
    let there = server.client.get(format!("http://{other_node}{ME}")).bearer_auth(&ada.token);
    ApiResponse::receive(there.try_clone().unwrap()).await.expect(StatusCode::OK);
    ada.delete_with(ME, mine()).await.expect(StatusCode::OK);
    ada.get(ME).await.expect(StatusCode::UNAUTHORIZED);
    wait_until_unauthorized(async || ApiResponse::receive(there.try_clone().unwrap()).await.status).await;
}

async fn account_deletion_requires_the_password(server: Server) {
    let ada = server.person("ada").await;
    for (body, place) in [
        (json!({}), "body.password"),
        (json!({"password": null}), "body.password"),
        (json!({"password": "wrong password"}), "body.password"),
        (json!({"password": "x".repeat(100_000)}), "body.password"),
        (json!({"email": ada.email}), "body.password"),
        (json!({"password": PASSWORD, "user_id": ada.id}), "body.user_id"),
    ] {
        assert_eq!(ada.delete_with(ME, body.clone()).await.refused(), place, "{body}");
    }
    ada.delete(ME).await.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    ada.get(ME).await.expect(StatusCode::OK);
}

async fn an_account_without_a_password_is_deleted_by_its_address(server: Server) {
    let ada = server.person("ada").await;
    // As for users who sign in with a provider only.
    server.scratch.execute("UPDATE users SET hashed_password = NULL").await.unwrap();
    assert_eq!(ada.get(ME).await.expect(StatusCode::OK)["has_password"], false);
    for body in [json!({}), mine(), json!({"email": "ben@example.org"}), json!({"email": ""})] {
        assert_eq!(ada.delete_with(ME, body).await.refused(), "body.email");
    }
    ada.delete_with(ME, json!({"email": " ADA@example.org"})).await.expect(StatusCode::OK);
    ada.get(ME).await.expect(StatusCode::UNAUTHORIZED);
}

async fn the_last_superuser_cannot_delete_the_account(server: Server) {
    let (root, ben) = (server.superuser("root").await, server.person("ben").await);
    let refusal = root.delete_with(ME, mine()).await.expect(StatusCode::CONFLICT);
    assert!(refusal["detail"].as_str().unwrap().contains("only active superuser"), "{refusal}");
    root.get(ME).await.expect(StatusCode::OK);
    let path = format!("/api/admin/users/{}", ben.id);
    root.put(&path, json!({"is_superuser": true})).await.expect(StatusCode::OK);
    root.delete_with(ME, mine()).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn wrong_passwords_at_account_deletion_are_rate_limited() {
    let server = Server::start(Scratch::sqlite(), Config { rate_limits: true, ..lenient() }).await;
    let ada = server.person("ada").await;
    let mut last = ada.delete_with(ME, json!({"password": "a wrong guess"})).await;
    for _ in 0..20 {
        if last.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        last = ada.delete_with(ME, json!({"password": "a wrong guess"})).await;
    }
    last.expect(StatusCode::TOO_MANY_REQUESTS);
    // Only holders of a session of the account can use this up. The owner can still sign in elsewhere.
    let login = json!({"email": ada.email, "password": PASSWORD});
    let login = server.request(Method::POST, "/api/auth/login").json(&login);
    ApiResponse::receive(login).await.expect(StatusCode::OK);
}
