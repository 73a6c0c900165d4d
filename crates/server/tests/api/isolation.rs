//! Two users on one server: neither sees or changes the other's data.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::on_both_engines;
use crate::server::{ApiResponse, Server, fill};

on_both_engines!(rows_of_other_users_are_not_found, requests_without_a_token_are_rejected);

async fn rows_of_other_users_are_not_found(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let entry = ada.write("mine", "2025-01-22T10:00:00Z", &["private"]).await;
    let tag = entry["tags"][0]["id"].clone();
    let reminder = json!({"title": "t", "message": "m", "frequency": "daily", "time": "2025-01-22T20:00:00Z"});
    let reminder = ada.post("/api/reminders/", reminder).await.expect(StatusCode::CREATED);
    for (path, id, detail) in [
        ("journals", &entry["id"], "Journal entry not found"),
        ("tags", &tag, "Tag not found"),
        ("reminders", &reminder["id"], "Reminder not found"),
    ] {
        let path = format!("/api/{path}/{}", id.as_str().unwrap());
        for response in [ben.get(&path).await, ben.put(&path, json!({})).await, ben.delete(&path).await] {
            assert_eq!(response.expect(StatusCode::NOT_FOUND)["detail"], detail);
        }
    }
    for list in ["journals", "tags", "reminders"] {
        assert_eq!(ben.get(&format!("/api/{list}/")).await.expect(StatusCode::OK), json!([]));
    }
    let stolen = json!({"content": "x", "entry_date": "2025-01-22T10:00:00Z", "tag_ids": [tag]});
    assert_eq!(ben.post("/api/journals/", stolen).await.refused(), "body.tag_ids");
    for path in [
        "/api/journals/?q=mine".to_owned(),
        "/api/journals/?tag=private".to_owned(),
        format!("/api/journals/?tag={}", tag.as_str().unwrap()),
        "/api/journals/calendar?from=2025-01-01&to=2025-12-31".to_owned(),
        "/api/journals/on-this-day?date=2026-01-22".to_owned(),
    ] {
        assert_eq!(ben.get(&path).await.expect(StatusCode::OK), json!([]), "{path}");
    }
    assert_eq!(ben.get("/api/journals/stats").await.body["entries"], 0);
    assert_eq!(ada.get("/api/journals/").await.expect(StatusCode::OK), json!([entry]));
}

async fn requests_without_a_token_are_rejected(server: Server) {
    let specification =
        ApiResponse::receive(server.request(Method::GET, "/api/openapi.json")).await.expect(StatusCode::OK);
    let mut closed = 0;
    for (path, item) in specification["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation.get("security").is_none() {
                continue;
            }
            let path = fill(path);
            let request = server.request(method.to_uppercase().parse().unwrap(), &path).json(&Value::Null);
            // A response to HEAD has no body to check.
            let status = match method.as_str() {
                "head" => request.send().await.unwrap().status(),
                _ => ApiResponse::receive(request).await.status,
            };
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
            closed += 1;
        }
    }
    assert!(closed >= 48, "{closed} operations need a token");
}
