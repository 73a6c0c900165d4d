//! Entries: creating, reading, changing, deleting.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::on_both_engines;
use crate::server::{ApiResponse, Server};

on_both_engines!(
    create_journal_entry,
    get_journal_entry,
    update_journal_entry,
    delete_journal_entry,
    an_update_changes_only_the_sent_fields,
    if_match_stops_lost_updates,
    concurrent_updates_lose_nothing,
    a_repeated_create_is_harmless,
    tags_are_attached_by_name_and_by_id,
    collections_respond_without_a_trailing_slash,
    a_megabyte_survives,
    entries_survive_a_restart,
);

const DATE: &str = "2025-01-22T10:00:00Z";

async fn create_journal_entry(server: Server) {
    let ada = server.person("ada").await;
    let entry = json!({"title": "Test Entry", "content": "Test content", "entry_date": DATE});
    let response = ada.post("/api/journals/", entry).await;
    assert_eq!(response.header("etag"), Some("\"1\""));
    let location = response.header("location").unwrap().to_owned();
    let data = response.expect(StatusCode::CREATED);
    assert!(Uuid::try_parse(data["id"].as_str().unwrap()).is_ok());
    assert_eq!(data["user_id"], ada.id.as_str());
    assert_eq!(location, format!("/api/journals/{}", data["id"].as_str().unwrap()));
    assert_eq!(data["title"], "Test Entry");
    assert_eq!(data["entry_date"], DATE);
    assert_eq!((&data["audio_url"], &data["tags"]), (&Value::Null, &json!([])));
    assert_eq!(data["created_at"], data["updated_at"]);
}

async fn get_journal_entry(server: Server) {
    let ada = server.person("ada").await;
    let written = ada.write("Test content", DATE, &["work"]).await;
    let read = ada.get(&format!("/api/journals/{}", id(&written))).await.expect(StatusCode::OK);
    assert_eq!(read, written);
}

async fn update_journal_entry(server: Server) {
    let ada = server.person("ada").await;
    let entry = ada.write("Test content", DATE, &[]).await;
    let path = format!("/api/journals/{}", id(&entry));
    let data = ada.put(&path, json!({"title": "Updated Title"})).await.expect(StatusCode::OK);
    assert_eq!((&data["title"], &data["id"]), (&json!("Updated Title"), &entry["id"]));
    assert_eq!(data["revision"], 2);
    assert_eq!(ada.get(&path).await.expect(StatusCode::OK), data);
}

async fn delete_journal_entry(server: Server) {
    let ada = server.person("ada").await;
    let path = format!("/api/journals/{}", id(&ada.write("Test content", DATE, &["work"]).await));
    let deleted = ada.delete(&path).await.expect(StatusCode::OK);
    assert_eq!(deleted, json!({"message": "Journal entry deleted successfully"}));
    for response in [ada.get(&path).await, ada.put(&path, json!({})).await, ada.delete(&path).await] {
        assert_eq!(response.expect(StatusCode::NOT_FOUND)["detail"], "Journal entry not found");
    }
    assert_eq!(ada.contents("/api/journals/").await, Vec::<String>::new());
}

async fn an_update_changes_only_the_sent_fields(server: Server) {
    let ada = server.person("ada").await;
    let entry = json!({
        "title": "Title", "content": "text", "audio_url": "/api/x", "entry_date": DATE,
        "entry_zone": "Asia/Tokyo", "tags": ["one", "two"],
    });
    let entry = ada.post("/api/journals/", entry).await.expect(StatusCode::CREATED);
    let path = format!("/api/journals/{}", id(&entry));

    let same = ada.put(&path, json!({})).await.expect(StatusCode::OK);
    for field in ["title", "content", "audio_url", "entry_date", "entry_zone", "tags", "created_at"] {
        assert_eq!(same[field], entry[field], "{field}");
    }
    let changed = json!({"title": null, "audio_url": null, "entry_date": "2025-01-23T00:00:00+09:00", "tags": ["two"]});
    let changed = ada.put(&path, changed).await.expect(StatusCode::OK);
    assert_eq!((&changed["title"], &changed["audio_url"]), (&Value::Null, &Value::Null));
    assert_eq!(changed["entry_date"], "2025-01-22T15:00:00Z");
    assert_eq!((&changed["content"], &changed["entry_zone"]), (&entry["content"], &entry["entry_zone"]));
    assert_eq!(names(&changed), ["two"]);
    assert_eq!(ada.put(&path, json!({"content": null})).await.refused(), "body.content");
}

async fn if_match_stops_lost_updates(server: Server) {
    let ada = server.person("ada").await;
    let path = format!("/api/journals/{}", id(&ada.write("first", DATE, &[]).await));
    let send = |method: Method, etag: &'static str, body: Value| {
        ApiResponse::receive(ada.request(method, &path).header("if-match", etag).json(&body))
    };
    let second = send(Method::PUT, "\"1\"", json!({"content": "second"})).await;
    assert_eq!(second.header("etag"), Some("\"2\""));
    let second = second.expect(StatusCode::OK);
    for method in [Method::PUT, Method::DELETE] {
        let stale = send(method, "\"1\"", json!({"content": "lost"})).await.expect(StatusCode::PRECONDITION_FAILED);
        assert_eq!(stale["current"], second);
    }
    send(Method::PUT, "*", json!({"content": "third"})).await.expect(StatusCode::OK);
    for bad in ["3", "\"x\"", "W/\"3\"", "\"\"", "\"-1\""] {
        assert_eq!(send(Method::PUT, bad, json!({})).await.refused(), "header.if-match");
    }
    send(Method::DELETE, "\"3\"", json!({})).await.expect(StatusCode::OK);
}

async fn concurrent_updates_lose_nothing(server: Server) {
    let ada = server.person("ada").await;
    let path = format!("/api/journals/{}", id(&ada.write("start", DATE, &[]).await));
    let put = |content: &'static str| {
        ApiResponse::receive(
            ada.request(Method::PUT, &path).header("if-match", "\"1\"").json(&json!({"content": content})),
        )
    };
    let (one, two) = tokio::join!(put("one"), put("two"));
    let (won, lost) = if one.status == StatusCode::OK { (one, two) } else { (two, one) };
    let won = won.expect(StatusCode::OK);
    assert_eq!(lost.expect(StatusCode::PRECONDITION_FAILED)["current"], won);
    assert_eq!(ada.get(&path).await.expect(StatusCode::OK), won);
}

async fn a_repeated_create_is_harmless(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let id = "0190b5a4-1111-7222-8333-444455556666";
    let entry = json!({"id": id, "content": "once", "entry_date": DATE, "tags": ["a"]});
    let responses = tokio::join!(ada.post("/api/journals/", entry.clone()), ada.post("/api/journals/", entry.clone()));
    let mut statuses = [responses.0.status, responses.1.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CREATED]);
    assert_eq!(responses.0.body, responses.1.body);
    assert_eq!(responses.0.body["id"], id);

    let other = json!({"id": id, "content": "something else", "entry_date": DATE});
    let conflict = ada.post("/api/journals/", other).await.expect(StatusCode::CONFLICT);
    assert_eq!(conflict["current"]["content"], "once");
    let theirs = ben.post("/api/journals/", entry).await.expect(StatusCode::CONFLICT);
    assert_eq!(theirs.get("current"), None);
    assert_eq!(ada.contents("/api/journals/").await, ["once"]);
    for bad in ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "1"] {
        let entry = json!({"id": bad, "content": "x", "entry_date": DATE});
        assert_eq!(ada.post("/api/journals/", entry).await.refused(), "body.id");
    }
}

async fn tags_are_attached_by_name_and_by_id(server: Server) {
    let ada = server.person("ada").await;
    let tag = json!({"name": "Café", "color": "#FF0000"});
    let tag = ada.post("/api/tags/", tag).await.expect(StatusCode::CREATED);
    let entry =
        json!({"content": "x", "entry_date": DATE, "tag_ids": [tag["id"]], "tags": ["CAFE\u{301}", "new", "New"]});
    let entry = ada.post("/api/journals/", entry).await.expect(StatusCode::CREATED);
    assert_eq!(names(&entry), ["Café", "new"]);
    assert_eq!(entry["tags"][0], json!({"id": tag["id"], "name": "Café", "color": "#ff0000"}));
    assert_eq!(ada.get("/api/tags/").await.body.as_array().unwrap().len(), 2);

    // A missing tag: neither the entry nor the other tags are stored.
    let unknown = json!({"content": "y", "entry_date": DATE, "tag_ids": [entry["id"]], "tags": ["another"]});
    assert_eq!(ada.post("/api/journals/", unknown).await.refused(), "body.tag_ids");
    let path = format!("/api/journals/{}", id(&entry));
    assert_eq!(ada.put(&path, json!({"content": "z", "tag_ids": [entry["id"]]})).await.refused(), "body.tag_ids");
    assert_eq!(ada.contents("/api/journals/").await, ["x"]);
    assert_eq!(ada.get("/api/tags/").await.body.as_array().unwrap().len(), 2);

    assert_eq!(names(&ada.put(&path, json!({"tags": []})).await.body), Vec::<String>::new());
    let many: Vec<_> = (0..101).map(|n| n.to_string()).collect();
    assert_eq!(ada.put(&path, json!({"tags": many})).await.refused(), "body.tags");
    assert_eq!(names(&ada.put(&path, json!({"tags": many[..100]})).await.body).len(), 100);
}

async fn collections_respond_without_a_trailing_slash(server: Server) {
    let ada = server.person("ada").await;
    let entry = json!({"content": "x", "entry_date": DATE});
    ada.post("/api/journals", entry).await.expect(StatusCode::CREATED);
    assert_eq!(ada.contents("/api/journals?limit=5").await, ["x"]);
    for path in
        ["/api/tags", "/api/tags/", "/api/reminders", "/api/reminders/", "/api/users/me/", "/api/journals/stats/"]
    {
        ada.get(path).await.expect(StatusCode::OK);
    }
}

async fn a_megabyte_survives(server: Server) {
    let ada = server.person("ada").await;
    let mut text = "Žluťoučký kůň 🐎 \u{202e}נגמר\u{202c} \"quoted\"\n".repeat(20_000);
    text.truncate(text.floor_char_boundary(1 << 20));
    let entry = ada.write(&text, DATE, &[]).await;
    let read = ada.get(&format!("/api/journals/{}", id(&entry))).await.body;
    assert!(read["content"] == text.as_str());
    let too_long = json!({"content": "x".repeat((1 << 20) + 1), "entry_date": DATE});
    assert_eq!(ada.post("/api/journals/", too_long).await.refused(), "body.content");
}

async fn entries_survive_a_restart(server: Server) {
    let (before, email) = {
        let ada = server.person("ada").await;
        (ada.write("still here", DATE, &["kept"]).await, ada.email.clone())
    };
    let keys = sotto_server::Keys::generate(&sotto_server::system::SystemRandom);
    let server = server.restart(&keys).await;
    let tokens = server.login(&email, crate::server::PASSWORD).await;
    let request = server.request(Method::GET, "/api/journals/").bearer_auth(tokens["access_token"].as_str().unwrap());
    assert_eq!(ApiResponse::receive(request).await.expect(StatusCode::OK), json!([before]));
}

fn id(entry: &Value) -> &str {
    entry["id"].as_str().unwrap()
}

fn names(entry: &Value) -> Vec<&str> {
    entry["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect()
}
