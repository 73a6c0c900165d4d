//! Who may sign up.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_server::{Config, Registration};
use sotto_storage::testing::Scratch;

use crate::server::{ApiResponse, PASSWORD, Server, lenient};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_account_closes_sign_up() {
    for scratch in [Scratch::sqlite(), Scratch::postgres().await] {
        let server = Server::start(scratch, first()).await;
        assert_eq!(described(&server).await, (json!("first"), json!(true)));
        // A refused sign-up leaves it open.
        let weak = json!({"email": "ada@example.org", "password": "password"});
        ApiResponse::receive(server.request(Method::POST, "/api/auth/register").json(&weak)).await.refused();
        let created = register(&server, "ada@example.org").await.expect(StatusCode::CREATED);
        assert_eq!((&created["is_superuser"], &created["email_verified"]), (&json!(true), &json!(false)));
        assert_eq!(described(&server).await, (json!("first"), json!(false)));
        let refused = register(&server, "ben@example.org").await.expect(StatusCode::FORBIDDEN);
        assert_eq!(refused["code"], "sign_up_closed");
        // The same response for an address that has an account.
        register(&server, "ada@example.org").await.expect(StatusCode::FORBIDDEN);

        // The superuser may create further accounts.
        let token = server.login("ada@example.org", PASSWORD).await["access_token"].as_str().unwrap().to_owned();
        let account = json!({"email": "ben@example.org", "password": PASSWORD});
        let create = server.request(Method::POST, "/api/admin/users").bearer_auth(token).json(&account);
        ApiResponse::receive(create).await.expect(StatusCode::CREATED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_first_sign_ups_one_succeeds() {
    for scratch in [Scratch::sqlite(), Scratch::postgres().await] {
        let server = Server::start(scratch, first()).await;
        let emails: Vec<String> = (0..6).map(|n| format!("ada{n}@example.org")).collect();
        let all = futures_util::future::join_all(emails.iter().map(|email| register(&server, email))).await;
        let created = all.iter().filter(|response| response.status == StatusCode::CREATED).count();
        let refused = all.iter().filter(|response| response.status == StatusCode::FORBIDDEN).count();
        assert_eq!((created, refused), (1, 5));
    }
}

#[tokio::test]
async fn an_open_server_makes_no_superusers() {
    let server = Server::start(Scratch::sqlite(), lenient()).await;
    assert_eq!(described(&server).await, (json!("open"), json!(true)));
    let created = register(&server, "ada@example.org").await.expect(StatusCode::CREATED);
    assert_eq!(created["is_superuser"], false);
    assert_eq!(described(&server).await, (json!("open"), json!(false)));
    let closed = server.another_with(&server.keys, Config { registration: Registration::Closed, ..lenient() }).await;
    let described = ApiResponse::receive(server.client.get(format!("http://{closed}/api/server"))).await;
    assert_eq!(described.expect(StatusCode::OK)["first_account"], false);
}

fn first() -> Config {
    Config { registration: Config::default().registration, ..lenient() }
}

async fn described(server: &Server) -> (Value, Value) {
    let described = ApiResponse::receive(server.request(Method::GET, "/api/server")).await.expect(StatusCode::OK);
    (described["registration"].clone(), described["first_account"].clone())
}

async fn register(server: &Server, email: &str) -> ApiResponse {
    let account = json!({"email": email, "password": PASSWORD});
    ApiResponse::receive(server.request(Method::POST, "/api/auth/register").json(&account)).await
}
