//! Tags.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::on_both_engines;
use crate::server::Server;

on_both_engines!(
    tags_are_created_changed_and_deleted,
    names_are_unique_in_every_form,
    invalid_tags_are_rejected,
    pages_of_tags
);

async fn tags_are_created_changed_and_deleted(server: Server) {
    let ada = server.person("ada").await;
    let tag = ada.post("/api/tags/", json!({"name": "Test Tag", "color": "#FF0000"})).await.expect(StatusCode::CREATED);
    assert_eq!((&tag["name"], &tag["color"], &tag["user_id"]), (&json!("Test Tag"), &json!("#ff0000"), &json!(ada.id)));
    let path = format!("/api/tags/{}", tag["id"].as_str().unwrap());
    assert_eq!(ada.get(&path).await.expect(StatusCode::OK), tag);
    let entry = ada.write("tagged", "2025-01-22T10:00:00Z", &["test tag"]).await;

    let renamed = ada.put(&path, json!({"name": "TEST tag"})).await.expect(StatusCode::OK);
    assert_eq!((&renamed["name"], &renamed["color"]), (&json!("TEST tag"), &tag["color"]));
    assert_eq!(ada.put(&path, json!({"color": null})).await.expect(StatusCode::OK)["color"], Value::Null);
    let entry_path = format!("/api/journals/{}", entry["id"].as_str().unwrap());
    assert_eq!(ada.get(&entry_path).await.body["tags"][0]["name"], "TEST tag");

    let deleted = ada.delete(&path).await.expect(StatusCode::OK);
    assert_eq!(deleted, json!({"message": "Tag deleted successfully"}));
    assert_eq!(ada.get(&entry_path).await.expect(StatusCode::OK)["tags"], json!([]));
    for response in [ada.get(&path).await, ada.put(&path, json!({})).await, ada.delete(&path).await] {
        assert_eq!(response.expect(StatusCode::NOT_FOUND)["detail"], "Tag not found");
    }
}

async fn names_are_unique_in_every_form(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let make = |name: &'static str| ada.post("/api/tags/", json!({ "name": name }));
    make("Caf\u{e9}").await.expect(StatusCode::CREATED);
    for same in ["Caf\u{e9}", "cafe\u{301}", "  CAF\u{c9} "] {
        make(same).await.expect(StatusCode::CONFLICT);
    }
    let other = make("other").await.expect(StatusCode::CREATED);
    let path = format!("/api/tags/{}", other["id"].as_str().unwrap());
    ada.put(&path, json!({"name": "CAFÉ"})).await.expect(StatusCode::CONFLICT);
    ben.post("/api/tags/", json!({"name": "Café"})).await.expect(StatusCode::CREATED);
    assert_eq!(ada.get("/api/tags/").await.body.as_array().unwrap().len(), 2);
}

async fn invalid_tags_are_rejected(server: Server) {
    let ada = server.person("ada").await;
    for (tag, place) in [
        (json!({}), "body"),
        (json!({"name": ""}), "body.name"),
        (json!({"name": " \t "}), "body.name"),
        (json!({"name": "x".repeat(10_000)}), "body.name"),
        (json!({"name": "two\nlines"}), "body.name"),
        (json!({"name": "nul\u{0}"}), "body.name"),
        (json!({"name": 7}), "body.name"),
        (json!({"name": null}), "body.name"),
        (json!({"name": "x", "color": "red"}), "body.color"),
        (json!({"name": "x", "user_id": ada.id}), "body.user_id"),
    ] {
        assert_eq!(ada.post("/api/tags/", tag).await.refused(), place);
    }
    let entry = json!({"content": "x", "entry_date": "2025-01-22T10:00:00Z", "tags": ["fine", ""]});
    assert_eq!(ada.post("/api/journals/", entry).await.refused(), "body.tags.1");
    assert_eq!(ada.get("/api/tags/").await.body, json!([]));
}

async fn pages_of_tags(server: Server) {
    let ada = server.person("ada").await;
    for n in 0..5 {
        ada.post("/api/tags/", json!({"name": format!("tag {n}")})).await.expect(StatusCode::CREATED);
    }
    let mut names = Vec::new();
    let mut next = Some("/api/tags/?limit=2".to_owned());
    while let Some(path) = next {
        let page = ada.get(&path).await;
        next = page.next();
        names.extend(page.body.as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap().to_owned()));
    }
    assert_eq!(names, ["tag 0", "tag 1", "tag 2", "tag 3", "tag 4"]);
}
