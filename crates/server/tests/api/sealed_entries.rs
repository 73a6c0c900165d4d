//! Sealed entries: created, changed, sealed and unsealed, listed in pages, deleted.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::on_both_engines;
use crate::server::{ApiResponse, Server};
use crate::vault::{DATE, Open, PHRASE, Secret, new_id, path, text};

on_both_engines!(
    an_entry_is_created_and_changed,
    an_entry_moves_in_and_out,
    pages_are_walked,
    invalid_changes_have_no_effect,
    the_largest_entry_fits
);

async fn an_entry_is_created_and_changed(server: Server) {
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let id = new_id();
    let body = open.entry(id, "First.", DATE);
    let response = open.post("/api/journals/", body.clone()).await;
    assert_eq!(
        (response.header("etag"), response.header("location")),
        (Some("\"1\""), Some(&*format!("/api/journals/{id}")))
    );
    let entry = response.expect(StatusCode::CREATED);
    assert_eq!((open.read(&entry), &entry["entry_date"]), ("First.".to_owned(), &json!(DATE)));
    // A repeated create returns the same entry; a different one with its id is refused.
    assert_eq!(open.post("/api/journals/", body).await.expect(StatusCode::OK), entry);
    let clash = open.post("/api/journals/", open.entry(id, "Other.", DATE)).await.expect(StatusCode::CONFLICT);
    assert_eq!(clash["current"], entry);

    let changed = open.put(&path(&entry), 1, open.seal(id, 2, "Second.")).await.expect(StatusCode::OK);
    assert_eq!((open.read(&changed), &changed["revision"]), ("Second.".to_owned(), &json!(2)));
    assert_eq!(changed["entry_date"], DATE);
    let stale = open.put(&path(&entry), 1, open.seal(id, 2, "Lost.")).await.expect(StatusCode::PRECONDITION_FAILED);
    assert_eq!(stale["current"], changed);
    let mut dated = open.seal(id, 3, "Third.");
    dated["entry_date"] = json!("2024-02-29T10:00:00Z");
    dated["entry_zone"] = json!("Asia/Tokyo");
    let changed = open.put(&path(&entry), 2, dated).await.expect(StatusCode::OK);
    assert_eq!(
        (&changed["entry_date"], &changed["entry_zone"]),
        (&json!("2024-02-29T10:00:00Z"), &json!("Asia/Tokyo"))
    );
    assert_eq!(open.get(&path(&entry)).await.expect(StatusCode::OK), changed);

    let stale = open.request(Method::DELETE, &path(&entry)).header("if-match", "\"1\"");
    assert_eq!(ApiResponse::receive(stale).await.expect(StatusCode::PRECONDITION_FAILED)["current"], changed);
    open.delete(&path(&entry)).await.expect(StatusCode::OK);
    open.get(&path(&entry)).await.expect(StatusCode::NOT_FOUND);
}

async fn an_entry_moves_in_and_out(server: Server) {
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let written = ada.write("zanzibar", DATE, &["private"]).await;
    let id: Uuid = text(&written, "id").parse().unwrap();
    let sealed = open.put(&path(&written), 1, open.seal(id, 2, "zanzibar")).await.expect(StatusCode::OK);
    assert_eq!((open.read(&sealed), &sealed["content"]), ("zanzibar".to_owned(), &json!("")));
    assert_eq!((&sealed["tags"], &sealed["title"]), (&json!([]), &Value::Null));
    assert_eq!(ada.contents("/api/journals/?q=zanzibar").await, Vec::<String>::new());
    assert_eq!(ada.contents("/api/journals/?tag=private").await, Vec::<String>::new());

    let out = json!({"secret_tag_id": null, "content": "zanzibar", "tags": ["private"]});
    let plain = open.put(&path(&written), 2, out.clone()).await.expect(StatusCode::OK);
    assert_eq!(
        (&plain["content"], &plain["revision"], &plain["entry_date"]),
        (&json!("zanzibar"), &json!(3), &json!(DATE))
    );
    assert_eq!(plain.get("secret_tag_id"), Some(&Value::Null));
    for field in ["encrypted_content", "wrapped_key", "encryption_iv", "wrap_iv"] {
        assert!(sealed[field].is_string() && plain.get(field).is_none(), "{field}");
    }
    assert_eq!(ada.contents("/api/journals/?q=zanzibar&tag=private").await, ["zanzibar"]);
    assert_eq!(open.contents(&open.entries()).await, Vec::<String>::new());
    // For a plain entry, it is an ordinary change.
    let same = ada.put(&path(&written), json!({"secret_tag_id": null, "title": "T"})).await.expect(StatusCode::OK);
    assert_eq!((&same["title"], &same["content"]), (&json!("T"), &json!("zanzibar")));
}

async fn pages_are_walked(server: Server) {
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    for day in 1..=5 {
        open.write(&day.to_string(), &format!("2025-01-0{day}T10:00:00Z")).await;
    }
    let mut next = Some(format!("{}&limit=2", open.entries()));
    let mut seen = Vec::new();
    let mut cursors = Vec::new();
    while let Some(path) = next {
        let page = open.get(&path).await;
        next = page.next();
        cursors.extend(next.clone());
        let entries = page.expect(StatusCode::OK);
        seen.extend(entries.as_array().unwrap().iter().map(|entry| open.read(entry)));
    }
    assert_eq!((seen, cursors.len()), (["5", "4", "3", "2", "1"].map(str::to_owned).to_vec(), 2));
    // A cursor does not bypass the lock, and is not valid for another list.
    ada.get(&cursors[0]).await.expect(StatusCode::NOT_FOUND);
    let (_, cursor) = cursors[0].split_once("cursor=").unwrap();
    assert_eq!(ada.get(&format!("/api/journals/?cursor={cursor}")).await.refused(), "query.cursor");
    for filter in ["from=2025-01-01", "to=2025-01-01", "tag=private", "q=x"] {
        let refused = open.get(&format!("{}&{filter}", open.entries())).await.refused();
        assert_eq!(refused, format!("query.{}", filter.split('=').next().unwrap()));
    }
    assert_eq!(open.get("/api/journals/?secret_tag_id=x").await.refused(), "query.secret_tag_id");
}

async fn invalid_changes_have_no_effect(server: Server) {
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let entry = open.write("Kept.", DATE).await;
    let id: Uuid = text(&entry, "id").parse().unwrap();
    let plain = ada.write("Plain.", DATE, &[]).await;
    let plain_id: Uuid = text(&plain, "id").parse().unwrap();

    let with = |mut body: Value, field: &str, value: Value| {
        body[field] = value;
        body
    };
    let without = |mut body: Value, field: &str| {
        body.as_object_mut().unwrap().remove(field);
        body
    };
    let good = || open.entry(new_id(), "New.", DATE);
    let bytes = |count: usize| json!(crate::vault::encode(&vec![7; count]));
    for (field, value) in [
        ("title", json!("Plain")),
        ("content", json!("")),
        ("audio_url", json!("/x")),
        ("tags", json!(["plain"])),
        ("tag_ids", json!([new_id()])),
        ("encrypted_content", bytes(48)),
        ("encrypted_content", bytes(1_059_698)),
        ("encrypted_content", json!("")),
        ("encrypted_content", json!("+".repeat(100))),
        ("encrypted_content", json!(format!("{}==", "A".repeat(98)))),
        ("encrypted_content", json!(format!("{}B", "A".repeat(98)))),
        ("encrypted_content", json!([1, 2])),
        ("wrapped_key", bytes(47)),
        ("wrapped_key", bytes(49)),
        ("encryption_iv", bytes(11)),
        ("encryption_iv", bytes(16)),
        ("wrap_iv", json!("")),
        ("wrap_iv", json!("AAAA AAAA AAAA AAAA")),
        ("entry_date", json!("yesterday")),
        ("entry_zone", json!("Mars")),
        ("id", json!("00000000-0000-0000-0000-000000000000")),
        ("secret_tag_id", json!("x")),
    ] {
        let refused = open.post("/api/journals/", with(good(), field, value)).await.refused();
        assert_eq!(refused.split('[').next(), Some(&*format!("body.{field}")));
    }
    for field in ["id", "encrypted_content", "wrapped_key", "encryption_iv", "wrap_iv", "secret_tag_id"] {
        assert_eq!(open.post("/api/journals/", without(good(), field)).await.refused(), format!("body.{field}"));
    }
    for field in ["title", "content", "tags"] {
        let value = if field == "tags" { json!([]) } else { json!("x") };
        let body = with(open.seal(id, 2, "New."), field, value);
        assert_eq!(open.put(&path(&entry), 1, body).await.refused(), format!("body.{field}"));
    }
    assert_eq!(open.put(&path(&entry), 1, without(open.seal(id, 2, "x"), "wrap_iv")).await.refused(), "body.wrap_iv");
    let null_and_sealed = with(open.seal(id, 2, "x"), "secret_tag_id", Value::Null);
    assert_eq!(open.put(&path(&entry), 1, null_and_sealed).await.refused(), "body.secret_tag_id");
    assert_eq!(open.put(&path(&entry), 1, json!({"content": "Plain."})).await.refused(), "body.secret_tag_id");
    assert_eq!(open.put(&path(&entry), 1, json!({"secret_tag_id": null})).await.refused(), "body.content");

    // Without a precondition, or with a failed one.
    let unconditional =
        |open: &Open, path: &str, body: Value| ApiResponse::receive(open.request(Method::PUT, path).json(&body));
    for (path, id) in [(path(&entry), id), (path(&plain), plain_id)] {
        unconditional(&open, &path, open.seal(id, 2, "x")).await.expect(StatusCode::PRECONDITION_REQUIRED);
        open.put(&path, 2, open.seal(id, 3, "x")).await.expect(StatusCode::PRECONDITION_FAILED);
    }
    let any = open.request(Method::PUT, &path(&entry)).header("if-match", "*").json(&open.seal(id, 2, "x"));
    ApiResponse::receive(any).await.expect(StatusCode::PRECONDITION_REQUIRED);
    let out = json!({"secret_tag_id": null, "content": "x"});
    unconditional(&open, &path(&entry), out.clone()).await.expect(StatusCode::PRECONDITION_REQUIRED);
    open.put(&path(&entry), 2, out.clone()).await.expect(StatusCode::PRECONDITION_FAILED);
    let foreign = json!({"secret_tag_id": null, "content": "x", "tag_ids": [new_id()]});
    assert_eq!(open.put(&path(&entry), 1, foreign).await.refused(), "body.tag_ids");
    // Under no secret tag, or a locked one.
    let nowhere = with(open.seal(id, 2, "x"), "secret_tag_id", json!(new_id()));
    open.put(&path(&entry), 1, nowhere.clone()).await.expect(StatusCode::FORBIDDEN);
    open.post("/api/journals/", with(good(), "secret_tag_id", json!(new_id()))).await.expect(StatusCode::FORBIDDEN);
    ada.post("/api/journals/", good()).await.expect(StatusCode::FORBIDDEN);

    assert_eq!(open.get(&open.entries()).await.expect(StatusCode::OK), json!([entry]));
    assert_eq!(ada.get("/api/journals/").await.expect(StatusCode::OK), json!([plain]));
    assert_eq!(ada.get("/api/tags/").await.expect(StatusCode::OK), json!([]));
}

async fn the_largest_entry_fits(server: Server) {
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let content = "x".repeat(1 << 20);
    let entry = open.write(&content, DATE).await;
    assert_eq!(open.contents(&open.entries()).await, [content]);
    assert_eq!(open.get(&path(&entry)).await.expect(StatusCode::OK), entry);
}
