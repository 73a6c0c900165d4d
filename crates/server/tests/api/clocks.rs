//! A wrong clock, or one that differs from other servers, locks nobody out and lets nobody in for longer.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::on_both_engines;
use crate::server::{ApiResponse, PASSWORD, Person, Server, ShiftedClock, lenient};
use crate::vault::{PHRASE, Secret};

on_both_engines!(
    tokens_stay_valid_after_a_small_clock_change_back,
    sessions_survive_a_clock_jump_of_ten_years_and_back,
    a_clock_jump_neither_blocks_nor_unlocks_a_secret_tag_for_years,
    reminders_are_due_by_the_current_clock,
    clock_problems_are_reported
);

const DAY: i64 = 24 * 3600;
const TEN_YEARS: i64 = 3650 * DAY;

async fn refresh(server: &Server, token: &Value) -> ApiResponse {
    ApiResponse::receive(server.request(Method::POST, "/api/auth/refresh").json(&json!({"refresh_token": token}))).await
}

fn with_token<'a>(person: &Person<'a>, tokens: &Value) -> Person<'a> {
    Person { token: tokens["access_token"].as_str().unwrap().to_owned(), ..person.clone() }
}

async fn tokens_stay_valid_after_a_small_clock_change_back(server: Server) {
    let ada = server.person("ada").await;
    server.clock.set(-100);
    ada.get("/api/tags/").await.expect(StatusCode::OK);
    server.clock.set(100 - 16 * 60);
    let refused = ada.get("/api/tags/").await.expect(StatusCode::UNAUTHORIZED);
    assert!(refused["detail"].as_str().unwrap().contains("clock that is far ahead"), "{refused}");
    let tokens = refresh(&server, &json!(ada.refresh_token)).await.expect(StatusCode::OK);
    with_token(&ada, &tokens).get("/api/tags/").await.expect(StatusCode::OK);
    // Forged tokens look like damaged ones.
    let forged = Person { token: format!("{}x", ada.token), ..ada.clone() };
    let refused = forged.get("/api/tags/").await.expect(StatusCode::UNAUTHORIZED);
    assert!(!refused["detail"].as_str().unwrap().contains("clock"), "{refused}");
}

async fn sessions_survive_a_clock_jump_of_ten_years_and_back(server: Server) {
    let ada = server.person("ada").await;
    let first = json!(ada.refresh_token);
    // Within its 30 days, the session is refreshed while the clock is a day ahead.
    server.clock.set(DAY);
    let second = refresh(&server, &first).await.expect(StatusCode::OK);
    server.clock.set(TEN_YEARS - DAY);
    let wrong = server.login(&ada.email, PASSWORD).await;
    server.clock.set(-TEN_YEARS);

    with_token(&ada, &second).get("/api/tags/").await.expect(StatusCode::UNAUTHORIZED);
    with_token(&ada, &wrong).get("/api/tags/").await.expect(StatusCode::UNAUTHORIZED);
    let third = refresh(&server, &second["refresh_token"]).await.expect(StatusCode::OK);
    with_token(&ada, &third).get("/api/tags/").await.expect(StatusCode::OK);
    let right = refresh(&server, &wrong["refresh_token"]).await.expect(StatusCode::OK);
    with_token(&ada, &right).get("/api/tags/").await.expect(StatusCode::OK);
    server.clock.advance(11);
    // A copied token from the time of the wrong clock is detected, and ends its session.
    refresh(&server, &wrong["refresh_token"]).await.expect(StatusCode::UNAUTHORIZED);
    refresh(&server, &right["refresh_token"]).await.expect(StatusCode::UNAUTHORIZED);
    refresh(&server, &third["refresh_token"]).await.expect(StatusCode::OK);
}

async fn a_clock_jump_neither_blocks_nor_unlocks_a_secret_tag_for_years(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    server.clock.set(TEN_YEARS);
    let tokens = server.login(&ada.email, PASSWORD).await;
    let ahead = with_token(&ada, &tokens);
    let secret_ahead = secret.by(&ahead);
    let open = secret_ahead.unlock(PHRASE).await;
    open.get(&open.entries()).await.expect(StatusCode::OK);
    for _ in 0..6 {
        assert!(secret_ahead.try_unlock("a wrong phrase").await.is_err());
    }
    server.clock.set(-TEN_YEARS);

    // The session is still valid, but its secret tag is locked.
    let back = with_token(&ada, &refresh(&server, &tokens["refresh_token"]).await.expect(StatusCode::OK));
    let entries = back.request(Method::GET, &open.entries()).header("x-sotto-unlock", &open.token);
    ApiResponse::receive(entries).await.expect(StatusCode::NOT_FOUND);
    let slowed = secret.try_unlock(PHRASE).await.err().unwrap();
    assert_eq!(slowed.status, StatusCode::TOO_MANY_REQUESTS, "{slowed:?}");
    let wait: i64 = slowed.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=15 * 60).contains(&wait), "{wait}");
    server.clock.advance(wait);
    secret.unlock(PHRASE).await;
}

async fn reminders_are_due_by_the_current_clock(server: Server) {
    let ada = server.person("ada").await;
    let daily = json!({"title": "Write", "message": "", "frequency": "daily", "time": "2025-01-22T20:00:00Z"});
    for wrong in [TEN_YEARS, -TEN_YEARS] {
        server.clock.set(wrong);
        let then = with_token(&ada, &server.login(&ada.email, PASSWORD).await);
        let created = then.post("/api/reminders/", daily.clone()).await.expect(StatusCode::CREATED);
        server.clock.set(-wrong);
        let path = format!("/api/reminders/{}", created["id"].as_str().unwrap());
        let next = ada.post("/api/reminders/preview", json!({"frequency": "daily", "time": daily["time"]})).await;
        let next = next.expect(StatusCode::OK)["times"][0].clone();
        assert_ne!(created["next_due_at"], next);
        assert_eq!(ada.get(&path).await.expect(StatusCode::OK)["next_due_at"], next);
        assert_eq!(ada.get("/api/reminders/").await.expect(StatusCode::OK)[0]["next_due_at"], next);
        ada.delete(&path).await.expect(StatusCode::OK);
    }
}

async fn clock_problems_are_reported(server: Server) {
    let root = server.superuser("root").await;
    let examine =
        async || sotto_server::monitoring::clock::examine(&*server.clock, &*server.app.storage).await.unwrap();
    assert_eq!(examine().await.problems(), Vec::<String>::new());
    assert_eq!(server.app.clock_health().problems(), Vec::<String>::new());
    server.clock.set(-16 * 60);
    let on_postgres = server.app.storage.engine() == "postgres";
    let health = examine().await;
    assert_eq!(health.ahead_of_database.is_some_and(|ahead| (-970.0..=-950.0).contains(&ahead)), on_postgres);
    assert_eq!((health.problems().len(), health.is_doubtful()), (usize::from(on_postgres), on_postgres));

    root.get("/api/tags/").await.expect(StatusCode::UNAUTHORIZED);
    let root = with_token(&root, &server.login(&root.email, PASSWORD).await);
    sotto_server::take_reading(&server.app).await.unwrap();
    let database = root.get("/api/admin/database").await.expect(StatusCode::OK);
    let alert = database["alerts"].as_array().unwrap().iter().find(|alert| alert["alert"] == "clock").unwrap();
    assert_eq!(alert["raised"], true, "{alert}");
    assert!(alert["sentence"].as_str().unwrap().contains("behind that of another server"), "{alert}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_two_minutes_apart_accept_each_others_tokens() {
    let server = Server::on_postgres().await;
    let ada = server.person("ada").await;
    for (apart, expected) in [
        (100, StatusCode::OK),
        (-100, StatusCode::OK),
        (-16 * 60, StatusCode::UNAUTHORIZED),
        (16 * 60, StatusCode::UNAUTHORIZED),
    ] {
        let clock = Arc::new(ShiftedClock::default());
        clock.set(apart);
        let (address, other) = server.another_at(&server.keys, lenient(), &clock).await;
        let there =
            ApiResponse::receive(server.client.get(format!("http://{address}/api/tags/")).bearer_auth(&ada.token))
                .await;
        assert_eq!(there.status, expected, "{apart}: {there:?}");
        // The server that is behind knows by how much.
        let behind = other.clock_health().behind_others;
        assert_eq!(behind.is_some_and(|behind| (900.0..=970.0).contains(&behind)), apart == -16 * 60, "{behind:?}");
    }
}
