//! Superusers and the accounts of others.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_server::{Config, Registration};
use sotto_storage::testing::Scratch;

use crate::on_both_engines;
use crate::server::{ApiResponse, PASSWORD, Server, lenient, wait_until_unauthorized};

on_both_engines!(
    superusers_see_accounts_but_no_journals,
    accounts_are_searched_and_paged,
    accounts_are_created_and_changed,
    a_deactivated_or_demoted_user_loses_access_at_once,
    accounts_are_deleted,
    the_last_superuser_cannot_be_removed,
    invalid_requests_are_rejected,
    other_users_cannot_administer_accounts,
);

const USERS: &str = "/api/admin/users";

fn path(user: &Value) -> String {
    format!("{USERS}/{}", user["id"].as_str().unwrap())
}

async fn superusers_see_accounts_but_no_journals(server: Server) {
    let (root, ada) = (server.superuser("root").await, server.person("ada").await);
    ada.write("zanzibar", "2025-01-22T10:00:00Z", &["private"]).await;
    ada.put("/api/users/me", json!({"preferences": {"theme": "dark"}})).await.expect(StatusCode::OK);
    ada.get("/api/users/me/draft-key").await.expect(StatusCode::OK);
    let list = root.get(USERS).await.expect(StatusCode::OK);
    let mut mine = ada.get("/api/users/me").await.body;
    mine.as_object_mut().unwrap().remove("preferences").unwrap();
    assert_eq!(list[0], mine);
    assert_eq!((&list[1]["email"], &list[1]["is_superuser"]), (&json!("root@example.org"), &json!(true)));
    let text = list.to_string();
    for private in ["argon2", "dark", "zanzibar", "draft", "preferences"] {
        assert!(!text.contains(private), "{private}: {text}");
    }
    assert_eq!(root.get("/api/journals/?q=zanzibar").await.body, json!([]));
}

async fn accounts_are_searched_and_paged(server: Server) {
    let root = server.superuser("root").await;
    for name in ["ada", "ben", "cleo", "dan"] {
        server.person(name).await;
    }
    let emails = async |first: &str| {
        let (mut all, mut pages, mut next) = (Vec::new(), 0, Some(first.to_owned()));
        while let Some(path) = next {
            let response = root.get(&path).await;
            (next, pages) = (response.next(), pages + 1);
            let page = response.expect(StatusCode::OK);
            all.extend(page.as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap().to_owned()));
        }
        (pages, all)
    };
    let everybody = ["ada", "ben", "cleo", "dan", "root"].map(|name| format!("{name}@example.org"));
    assert_eq!(emails(&format!("{USERS}?limit=2")).await, (3, everybody.to_vec()));
    assert_eq!(emails(&format!("{USERS}/?limit=5")).await, (1, everybody.to_vec()));
    assert_eq!(emails(&format!("{USERS}?q=EXAMPLE&limit=1")).await, (5, everybody.to_vec()));
    assert_eq!(emails(&format!("{USERS}?q=%20CLE")).await.1, ["cleo@example.org"]);
    assert_eq!(emails(&format!("{USERS}?q=%25")).await.1, Vec::<String>::new());

    let next = root.get(&format!("{USERS}?limit=2")).await.next().unwrap();
    let (other, search) = (server.superuser("other").await, next.replace('?', "?q=a&"));
    assert_eq!(other.get(&next).await.refused(), "query.cursor");
    assert_eq!(root.get(&search).await.refused(), "query.cursor");
    // A deletion between two pages skips nobody.
    let ben = root.get(&format!("{USERS}?q=ben@")).await.body[0].clone();
    root.delete(&path(&ben)).await.expect(StatusCode::OK);
    assert_eq!(root.get(&next).await.expect(StatusCode::OK)[0]["email"], "cleo@example.org");
}

async fn accounts_are_created_and_changed(server: Server) {
    let root = server.superuser("root").await;
    let new =
        json!({"email": " Ada@Example.org", "password": PASSWORD, "full_name": "Ada 🌸", "time_zone": "Asia/Tokyo"});
    let created = root.post(USERS, new.clone()).await.expect(StatusCode::CREATED);
    assert_eq!((&created["email"], &created["full_name"]), (&json!("ada@example.org"), &json!("Ada 🌸")));
    assert_eq!((&created["is_superuser"], &created["has_password"]), (&json!(false), &json!(true)));
    root.post(USERS, new).await.expect(StatusCode::CONFLICT);
    server.login("ada@example.org", PASSWORD).await;

    let without = root.post(USERS, json!({"email": "ben@example.org"})).await.expect(StatusCode::CREATED);
    assert_eq!(without["has_password"], false);
    let login = json!({"email": "ben@example.org", "password": ""});
    let login = server.request(Method::POST, "/api/auth/login").json(&login);
    ApiResponse::receive(login).await.expect(StatusCode::UNAUTHORIZED);
    let with = root.put(&path(&without), json!({"password": "a new password"})).await.expect(StatusCode::OK);
    assert_eq!(with["has_password"], true);
    server.login("ben@example.org", "a new password").await;

    let changed = json!({"full_name": null, "is_superuser": true});
    let changed = root.put(&path(&created), changed).await.expect(StatusCode::OK);
    assert_eq!((&changed["full_name"], &changed["is_superuser"]), (&Value::Null, &json!(true)));
    assert_eq!((&changed["time_zone"], &changed["is_active"]), (&json!("Asia/Tokyo"), &json!(true)));
}

async fn a_deactivated_or_demoted_user_loses_access_at_once(server: Server) {
    let (root, ada) = (server.superuser("root").await, server.superuser("ada").await);
    ada.get(USERS).await.expect(StatusCode::OK);
    let ada_path = format!("{USERS}/{}", ada.id);
    root.put(&ada_path, json!({"is_superuser": false})).await.expect(StatusCode::OK);
    ada.get(USERS).await.expect(StatusCode::FORBIDDEN);
    ada.get("/api/users/me").await.expect(StatusCode::OK);
    let other_node = server.another(&server.keys).await;
    let there = server.client.get(format!("http://{other_node}/api/users/me")).bearer_auth(&ada.token);
    ApiResponse::receive(there.try_clone().unwrap()).await.expect(StatusCode::OK);

    root.put(&ada_path, json!({"is_active": false})).await.expect(StatusCode::OK);
    ada.get("/api/users/me").await.expect(StatusCode::UNAUTHORIZED);
    let login = json!({"email": ada.email, "password": PASSWORD});
    let login = server.request(Method::POST, "/api/auth/login").json(&login);
    ApiResponse::receive(login).await.expect(StatusCode::FORBIDDEN);
    wait_until_unauthorized(async || ApiResponse::receive(there.try_clone().unwrap()).await.status).await;
    root.put(&ada_path, json!({"is_active": true})).await.expect(StatusCode::OK);
    // Ended sessions stay ended; a new one works.
    ada.get("/api/users/me").await.expect(StatusCode::UNAUTHORIZED);
    server.login(&ada.email, PASSWORD).await;
}

async fn accounts_are_deleted(server: Server) {
    let (root, ada, ben) = (server.superuser("root").await, server.person("ada").await, server.person("ben").await);
    ada.write("mine", "2025-01-22T10:00:00Z", &[]).await;
    let kept = ben.write("kept", "2025-01-22T10:00:00Z", &[]).await;
    let path = format!("{USERS}/{}", ada.id);
    let deleted = root.delete(&path).await.expect(StatusCode::OK);
    assert_eq!(deleted, json!({"message": "User deleted successfully"}));
    ada.get("/api/users/me").await.expect(StatusCode::UNAUTHORIZED);
    for response in [root.delete(&path).await, root.put(&path, json!({})).await] {
        assert_eq!(response.expect(StatusCode::NOT_FOUND)["detail"], "User not found");
    }
    assert_eq!(ben.get("/api/journals/").await.body, json!([kept]));
}

async fn the_last_superuser_cannot_be_removed(server: Server) {
    let (root, _ada) = (server.superuser("root").await, server.person("ada").await);
    let path = format!("{USERS}/{}", root.id);
    for response in [
        root.put(&path, json!({"is_active": false})).await,
        root.put(&path, json!({"is_superuser": false, "full_name": "No longer"})).await,
        root.delete(&path).await,
    ] {
        let refusal = response.expect(StatusCode::CONFLICT);
        assert!(refusal["detail"].as_str().unwrap().contains("another account a superuser first"), "{refusal}");
    }
    assert_eq!(root.get("/api/users/me").await.expect(StatusCode::OK)["full_name"], "root");
    root.put(&path, json!({"is_active": true, "is_superuser": true})).await.expect(StatusCode::OK);
}

async fn invalid_requests_are_rejected(server: Server) {
    let (root, ada) = (server.superuser("root").await, server.person("ada").await);
    for (body, place) in [
        (json!({"email": "nobody", "password": PASSWORD}), "body.email"),
        (json!({"email": "x@example.org", "password": "short"}), "body.password"),
        (json!({"email": "x@example.org", "full_name": "two\nlines"}), "body.full_name"),
        (json!({"email": "x@example.org", "time_zone": "Nowhere"}), "body.time_zone"),
        (json!({"email": "x@example.org", "is_superuser": "yes"}), "body.is_superuser"),
        (json!({"email": "x@example.org", "is_active": false}), "body.is_active"),
        (json!({"password": PASSWORD}), "body"),
    ] {
        assert_eq!(root.post(USERS, body.clone()).await.refused(), place, "{body}");
    }
    let path = format!("{USERS}/{}", ada.id);
    for (body, place) in [
        (json!({"is_active": null}), "body.is_active"),
        (json!({"is_superuser": null}), "body.is_superuser"),
        (json!({"password": null}), "body.password"),
        (json!({"password": "short"}), "body.password"),
        (json!({"full_name": "x".repeat(201)}), "body.full_name"),
        (json!({"email": "nobody"}), "body.email"),
        (json!({"email": null}), "body.email"),
        (json!({"email_verified": null}), "body.email_verified"),
        (json!({"preferences": {}}), "body.preferences"),
    ] {
        assert_eq!(root.put(&path, body.clone()).await.refused(), place, "{body}");
    }
    for (query, place) in [
        ("limit=0", "query.limit"),
        ("limit=1001", "query.limit"),
        ("q=", "query.q"),
        ("q=%00", "query.q"),
        ("cursor=AAAA", "query.cursor"),
        ("name=x", "query.name"),
    ] {
        assert_eq!(root.get(&format!("{USERS}?{query}")).await.refused(), place, "{query}");
    }
    assert_eq!(root.get(&format!("{USERS}?q={}", "x".repeat(255))).await.refused(), "query.q");
    assert_eq!(root.delete(&format!("{USERS}/1")).await.refused(), "path.id");
    assert_eq!(root.get(USERS).await.body.as_array().unwrap().len(), 2);
}

async fn other_users_cannot_administer_accounts(server: Server) {
    let (root, ada) = (server.superuser("root").await, server.person("ada").await);
    let path = format!("{USERS}/{}", root.id);
    for response in [
        ada.get(USERS).await,
        ada.post(USERS, json!({"email": "x@example.org", "is_superuser": true})).await,
        ada.put(&path, json!({"is_active": false})).await,
        ada.put(&format!("{USERS}/{}", ada.id), json!({"is_superuser": true})).await,
        ada.delete(&path).await,
    ] {
        response.expect(StatusCode::FORBIDDEN);
    }
    assert_eq!(root.get(USERS).await.expect(StatusCode::OK).as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn superusers_create_accounts_while_sign_up_is_closed() {
    let server = Server::start(Scratch::sqlite(), Config { registration: Registration::Closed, ..lenient() }).await;
    let open = server.another_with(&server.keys, lenient()).await;
    let root = json!({"email": "root@example.org", "password": PASSWORD});
    let register =
        |node: std::net::SocketAddr| server.client.post(format!("http://{node}/api/auth/register")).json(&root);
    ApiResponse::receive(register(server.address)).await.expect(StatusCode::FORBIDDEN);
    ApiResponse::receive(register(open)).await.expect(StatusCode::CREATED);
    server.scratch.execute("UPDATE users SET is_superuser = TRUE").await.unwrap();
    let token = server.login("root@example.org", PASSWORD).await["access_token"].as_str().unwrap().to_owned();
    let account = json!({"email": "ada@example.org", "password": PASSWORD});
    let create = server.request(Method::POST, USERS).bearer_auth(token).json(&account);
    ApiResponse::receive(create).await.expect(StatusCode::CREATED);
    server.login("ada@example.org", PASSWORD).await;
}
