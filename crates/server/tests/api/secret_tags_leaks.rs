//! What a locked secret tag reveals, and what is left behind on disk: nothing.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_storage::DatabaseUrl;
use tokio_postgres::NoTls;

use crate::on_both_engines;
use crate::server::{ApiResponse, Server};
use crate::vault::{PHRASE, Secret, new_id, path, text};

on_both_engines!(a_locked_secret_tag_leaks_no_entry, no_plain_text_remains_anywhere);

async fn a_locked_secret_tag_leaks_no_entry(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    let open = secret.unlock(PHRASE).await;
    let date = "2024-01-22T10:00:00Z";
    let entry = open.write("zanzibar", date).await;
    let moved = ada.write("zanzibar", date, &["private"]).await;
    let id = text(&moved, "id").parse().unwrap();
    let moved = open.put(&path(&moved), 1, open.seal(id, 2, "zanzibar")).await.expect(StatusCode::OK);
    open.write("another", date).await;
    let cursor = open.get(&format!("{}&limit=1", open.entries())).await.next().unwrap();
    let other = Secret::make(&ada, PHRASE).await;

    for locked in [false, true] {
        if locked {
            ada.post("/api/secret-tags/lock", json!({})).await.expect(StatusCode::OK);
        }
        // Lists of all entries never include sealed ones, locked or not.
        for list in [
            "/api/journals/",
            "/api/journals/?q=zanzibar",
            "/api/journals/?tag=private",
            "/api/journals/?from=2024-01-22&to=2024-01-22",
            "/api/journals/calendar?from=2024-01-01&to=2024-12-31",
            "/api/journals/on-this-day?date=2025-01-22",
        ] {
            assert_eq!(open.get(list).await.expect(StatusCode::OK), json!([]), "{list}");
        }
        let statistics = open.get("/api/journals/stats").await.expect(StatusCode::OK);
        assert_eq!((&statistics["entries"], &statistics["words"]), (&json!(0), &json!(0)));
    }

    // While locked, its entries seem not to exist, even if another secret tag is unlocked.
    let missing = format!("/api/journals/{}", new_id());
    let elsewhere = other.unlock(PHRASE).await;
    for token in [&open.token, &elsewhere.token] {
        let ask = |method: Method, path: &str| ada.request(method, path).header("x-sotto-unlock", token);
        let nowhere = ApiResponse::receive(ask(Method::GET, &missing)).await.expect(StatusCode::NOT_FOUND);
        for path in [path(&entry), path(&moved)] {
            let plain = json!({"content": "x"});
            let sealed = elsewhere.seal(id, 3, "x");
            for (request, etag) in [
                (ask(Method::GET, &path), None),
                (ask(Method::HEAD, &path), None),
                (ask(Method::DELETE, &path), None),
                (ask(Method::DELETE, &path), Some("\"9\"")),
                (ask(Method::PUT, &path).json(&plain), None),
                (ask(Method::PUT, &path).json(&plain), Some("\"9\"")),
                (ask(Method::PUT, &path).json(&json!({"secret_tag_id": null, "content": "x"})), Some("\"9\"")),
                (ask(Method::PUT, &path).json(&json!({"secret_tag_id": null, "content": "x"})), None),
            ] {
                let request = etag.into_iter().fold(request, |request, etag| request.header("if-match", etag));
                let response = request.send().await.unwrap();
                assert_eq!(response.status(), StatusCode::NOT_FOUND);
                assert!(!response.headers().contains_key("etag"));
                let body = response.text().await.unwrap();
                let same = || serde_json::from_str::<Value>(&body).unwrap() == nowhere;
                assert!(body.is_empty() || same(), "{body}");
            }
            let into_another = ask(Method::PUT, &path).header("if-match", "\"9\"").json(&sealed);
            let status = ApiResponse::receive(into_another).await.status;
            let expected = if *token == open.token { StatusCode::FORBIDDEN } else { StatusCode::NOT_FOUND };
            assert_eq!(status, expected);
        }
        let listed = ApiResponse::receive(ask(Method::GET, &open.entries())).await.expect(StatusCode::NOT_FOUND);
        let unknown = format!("/api/journals/?secret_tag_id={}", new_id());
        assert_eq!(ApiResponse::receive(ask(Method::GET, &unknown)).await.expect(StatusCode::NOT_FOUND), listed);
        ApiResponse::receive(ask(Method::GET, &cursor)).await.expect(StatusCode::NOT_FOUND);
        // Its id is used, like another user's would be, and nothing of it is shown.
        let ids = [text(&entry, "id"), text(&moved, "id")];
        for id in ids {
            let create = json!({"id": id, "content": "x", "entry_date": date});
            let clash = ApiResponse::receive(ask(Method::POST, "/api/journals/").json(&create)).await;
            let clash = clash.expect(StatusCode::CONFLICT);
            assert!(clash.get("current").is_none(), "{clash}");
            let create = elsewhere.entry(id.parse().unwrap(), "x", date);
            let clash = elsewhere.post("/api/journals/", create).await.expect(StatusCode::CONFLICT);
            assert!(clash.get("current").is_none(), "{clash}");
        }
        let tags = ApiResponse::receive(ask(Method::GET, "/api/secret-tags/")).await.expect(StatusCode::OK);
        let tags = tags.as_array().unwrap();
        let locked = tags.iter().find(|tag| tag["id"] == json!(secret.scope.tag)).unwrap();
        let shown: Vec<_> = locked.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()).collect();
        assert_eq!(shown.len(), 4, "{shown:?}");
    }
    // The entry existed all the time.
    let open = secret.unlock(PHRASE).await;
    assert_eq!(open.contents(&open.entries()).await.len(), 3);
    assert_eq!(open.get(&path(&entry)).await.expect(StatusCode::OK), entry);
}

/// What only the client knows, or knew.
const SECRETS: [&str; 6] = [
    "the phrase of the marsh warbler",
    "the phrase of the reed bunting",
    "quetzalcoatlus in the garden",
    "pterodactyl on the roof",
    "Heron",
    "Therapy",
];

async fn no_plain_text_remains_anywhere(mut server: Server) {
    let log = captured_log();
    let [phrase, new_phrase, content, moved_content, ..] = SECRETS;
    let mut hidden = SECRETS.map(str::to_owned).to_vec();
    let id = {
        let ada = server.person("ada").await;
        let secret = Secret::make(&ada, phrase).await;
        let open = secret.unlock(phrase).await;
        let entry = open.write(content, "2025-01-22T10:00:00Z").await;
        let id = text(&entry, "id").parse().unwrap();
        open.put(&path(&entry), 1, open.seal(id, 2, content)).await.expect(StatusCode::OK);
        // An entry that was plain before, and one that was plain for a while.
        let written = ada.write(moved_content, "2025-01-22T10:00:00Z", &["kept"]).await;
        let moved = text(&written, "id").parse().unwrap();
        open.put(&path(&written), 1, open.seal(moved, 2, moved_content)).await.expect(StatusCode::OK);
        let out = json!({"secret_tag_id": null, "content": moved_content, "title": "Heron"});
        open.put(&path(&written), 2, out).await.expect(StatusCode::OK);
        open.put(&path(&written), 3, open.seal(moved, 4, moved_content)).await.expect(StatusCode::OK);
        // Errors reveal nothing either.
        assert!(secret.try_unlock(new_phrase).await.is_err());
        let mut wrong = open.entry(new_id(), content, "2025-01-22T10:00:00Z");
        wrong["content"] = json!(content);
        assert_eq!(open.post("/api/journals/", wrong).await.refused(), "body.content");
        open.change_phrase(new_phrase, 1).await.expect(StatusCode::OK);
        secret.recover(&secret.recovery_key, phrase).await.expect(StatusCode::OK);
        let open = secret.unlock(phrase).await;
        assert_eq!(open.contents(&open.entries()).await, [moved_content, content].map(str::to_owned));
        hidden.push(open.token.clone());
        hidden.push(secret.recovery_key.reveal().to_string());
        hidden.push(ada.token.clone());
        moved
    };
    let metrics = server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("/api/secret-tags/{secret_tag_id}/unlock/finish"));
    let dump = match &server.scratch.url {
        // The server has closed the file, which it also does when it is idle.
        DatabaseUrl::Sqlite(file) => {
            let file = file.clone();
            server.stop().await;
            files_beside(&file)
        }
        DatabaseUrl::Postgres(url) => tables(url).await.into_bytes(),
    };
    let log = log.lock().unwrap().clone();
    // The search would have found something.
    assert!(contains(&log, "request"));
    assert!(contains(&dump, "ada@example.org") && has_id(&dump, id));
    for secret in &hidden {
        for (place, bytes) in
            [("the database", &dump), ("the log", &log), ("the metrics", &metrics.clone().into_bytes())]
        {
            assert!(!contains(bytes, secret), "{secret} is in {place}");
        }
    }
}

/// In any case of letters, as text or in hexadecimal.
fn contains(bytes: &[u8], needle: &str) -> bool {
    let hexadecimal = needle.bytes().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let find = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle));
    find(needle.as_bytes()) || find(hexadecimal.as_bytes())
}

fn has_id(dump: &[u8], id: uuid::Uuid) -> bool {
    contains(dump, &id.to_string()) || dump.windows(16).any(|window| window == id.as_bytes())
}

/// The database file, its log and all other files beside it.
fn files_beside(file: &std::path::Path) -> Vec<u8> {
    let folder = std::fs::read_dir(file.parent().unwrap()).unwrap();
    folder.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

/// Every row of every table as text.
async fn tables(url: &str) -> String {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let sql = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    let mut dump = String::new();
    for table in client.query(sql, &[]).await.unwrap() {
        let table: String = table.get(0);
        for row in client.query(&format!("SELECT t::text FROM \"{table}\" AS t"), &[]).await.unwrap() {
            dump.push_str(row.get(0));
            dump.push('\n');
        }
    }
    dump
}

/// The log of this process from now on, like with `sotto serve --log debug`. Other tests may log as well.
fn captured_log() -> Arc<Mutex<Vec<u8>>> {
    #[derive(Clone)]
    struct Capture(Arc<Mutex<Vec<u8>>>);
    impl Write for Capture {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let capture = Capture(log.clone());
        tracing_subscriber::fmt()
            .with_env_filter("debug,tokio_postgres=info")
            .with_writer(move || capture.clone())
            .with_ansi(false)
            .init();
        log
    });
    log.clone()
}
