//! Time zones: which names are accepted, and how stored names are treated that are unknown.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::on_both_engines;
use crate::server::{ApiResponse, PASSWORD, Person, Server};
use crate::vault::{DATE, PHRASE, Secret, new_id, path};

on_both_engines!(
    names_come_only_from_the_bundled_database,
    stored_unknown_zone_names_cause_no_errors,
    an_unknown_zone_name_can_be_sent_back,
    a_user_can_leave_an_unknown_zone
);

/// Names that Debian has among its time zones, and placeholders of the database.
const ODD: [&str; 5] = ["localtime", "posixrules", "posix/UTC", "Factory", "Etc/Unknown"];

async fn names_come_only_from_the_bundled_database(server: Server) {
    let root = server.superuser("root").await;
    let ada = server.person("ada").await;
    let reminder =
        |zone: &str| json!({"title": "Write", "message": "", "frequency": "daily", "time": DATE, "time_zone": zone});
    let preview = |zone: &str| json!({"frequency": "daily", "time": DATE, "time_zone": zone});
    let entry = |zone: &str| json!({"content": "x", "entry_date": DATE, "entry_zone": zone});
    let account = |zone: &str| json!({"email": "new@example.org", "password": PASSWORD, "time_zone": zone});
    let written = ada.write("Berlin", DATE, &[]).await;
    for zone in ODD {
        assert_eq!(ada.post("/api/journals/", entry(zone)).await.refused(), "body.entry_zone", "{zone}");
        assert_eq!(ada.put(&path(&written), json!({"entry_zone": zone})).await.refused(), "body.entry_zone", "{zone}");
        assert_eq!(ada.post("/api/reminders/", reminder(zone)).await.refused(), "body.time_zone", "{zone}");
        assert_eq!(ada.post("/api/reminders/preview", preview(zone)).await.refused(), "body.time_zone", "{zone}");
        assert_eq!(ada.put("/api/users/me", json!({"time_zone": zone})).await.refused(), "body.time_zone", "{zone}");
        assert_eq!(root.post("/api/admin/users", account(zone)).await.refused(), "body.time_zone", "{zone}");
        let sign_up = server.request(Method::POST, "/api/auth/register").json(&account(zone));
        assert_eq!(ApiResponse::receive(sign_up).await.refused(), "body.time_zone", "{zone}");
    }
    // Links are kept as given. The database decides the case.
    for (zone, stored) in
        [("US/Eastern", "US/Eastern"), ("Asia/Calcutta", "Asia/Calcutta"), ("europe/berlin", "Europe/Berlin")]
    {
        let written = ada.post("/api/journals/", entry(zone)).await.expect(StatusCode::CREATED);
        assert_eq!(written["entry_zone"], stored);
    }
}

/// Gives all stored rows an unknown time zone, like a copy from another server might have.
async fn forget_zones(server: &Server) {
    server.scratch.execute("UPDATE users SET time_zone = 'localtime'").await.unwrap();
    server.scratch.execute("UPDATE journal_entries SET entry_zone = 'posixrules'").await.unwrap();
    server.scratch.execute("UPDATE reminders SET time_zone = 'Mars/Olympus'").await.unwrap();
}

/// A new session, because servers may cache the account for a few seconds.
async fn again<'a>(person: &Person<'a>) -> Person<'a> {
    let tokens = person.server.login(&person.email, PASSWORD).await;
    Person { token: tokens["access_token"].as_str().unwrap().to_owned(), ..person.clone() }
}

async fn remind(person: &Person<'_>) -> Value {
    let reminder = json!({"title": "Write", "message": "", "frequency": "daily", "time": "2025-01-22T20:00:00Z"});
    person.post("/api/reminders/", reminder).await.expect(StatusCode::CREATED)
}

async fn stored_unknown_zone_names_cause_no_errors(server: Server) {
    let root = server.superuser("root").await;
    let ada = server.person_in("ada", "Europe/Berlin").await;
    let written = ada.write("Late in the evening", "2025-01-22T23:30:00Z", &["odd"]).await;
    let reminder = remind(&ada).await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let sealed = open.post("/api/journals/", open.entry(new_id(), "Sealed.", DATE)).await.expect(StatusCode::CREATED);
    forget_zones(&server).await;

    let (root, ada) = (again(&root).await, again(&ada).await);
    assert_eq!(ada.get("/api/users/me").await.expect(StatusCode::OK)["time_zone"], "localtime");
    assert!(root.get("/api/admin/users").await.expect(StatusCode::OK).to_string().contains("localtime"));
    for list in ["/api/journals/", "/api/journals/?q=evening&tag=odd", "/api/journals/on-this-day?date=2026-01-23"] {
        let found = ada.get(list).await.expect(StatusCode::OK);
        assert_eq!(found[0]["entry_zone"], "posixrules", "{list}");
    }
    for page in ["/api/journals/calendar", "/api/journals/stats", "/api/tags/"] {
        ada.get(page).await.expect(StatusCode::OK);
    }
    let read = open.get(&path(&sealed)).await.expect(StatusCode::OK);
    assert_eq!((open.read(&read), &read["entry_zone"]), ("Sealed.".to_owned(), &json!("posixrules")));
    let export = ada.request(Method::GET, "/api/users/me/export").send().await.unwrap();
    assert_eq!(export.status(), StatusCode::OK);
    assert!(!export.bytes().await.unwrap().is_empty());

    // It is due at 20:00 UTC instead of 21:00 in Berlin, which is the same moment in winter.
    let reminder = format!("/api/reminders/{}", reminder["id"].as_str().unwrap());
    assert_eq!(ada.get(&reminder).await.expect(StatusCode::OK)["time_zone"], "Mars/Olympus");
    let renamed = ada.put(&reminder, json!({"title": "Later"})).await.expect(StatusCode::OK);
    assert!(renamed["next_due_at"].as_str().unwrap().ends_with("T20:00:00Z"), "{renamed}");
    // New rows get the time zone of their owner.
    assert_eq!(ada.write("New", DATE, &[]).await["entry_zone"], "localtime");
    assert_eq!(ada.get(&path(&written)).await.expect(StatusCode::OK)["content"], "Late in the evening");
}

async fn an_unknown_zone_name_can_be_sent_back(server: Server) {
    let ada = server.person("ada").await;
    let written = ada.write("Before", DATE, &[]).await;
    let reminder = remind(&ada).await;
    let reminder = format!("/api/reminders/{}", reminder["id"].as_str().unwrap());
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let id = new_id();
    let sealed = open.post("/api/journals/", open.entry(id, "Before.", DATE)).await.expect(StatusCode::CREATED);
    forget_zones(&server).await;
    let ada = again(&ada).await;

    let change = json!({"content": "After", "entry_date": DATE, "entry_zone": "posixrules"});
    let changed = ada.put(&path(&written), change).await.expect(StatusCode::OK);
    assert_eq!((&changed["content"], &changed["entry_zone"]), (&json!("After"), &json!("posixrules")));
    let mut change = open.seal(id, 2, "After.");
    change["entry_zone"] = json!("posixrules");
    let changed = open.put(&path(&sealed), 1, change).await.expect(StatusCode::OK);
    assert_eq!((open.read(&changed), &changed["entry_zone"]), ("After.".to_owned(), &json!("posixrules")));
    let new = json!({"content": "New", "entry_date": DATE, "entry_zone": "localtime"});
    assert_eq!(ada.post("/api/journals/", new).await.expect(StatusCode::CREATED)["entry_zone"], "localtime");
    let change = json!({"title": "After", "time_zone": "Mars/Olympus"});
    assert_eq!(ada.put(&reminder, change).await.expect(StatusCode::OK)["title"], "After");
    let change = json!({"full_name": "Ada L.", "time_zone": "localtime"});
    assert_eq!(ada.put("/api/users/me", change).await.expect(StatusCode::OK)["full_name"], "Ada L.");

    // On other engines they are unknown.
    let change = json!({"entry_zone": "Mars/Olympus"});
    assert_eq!(ada.put(&path(&written), change).await.refused(), "body.entry_zone");
    assert_eq!(ada.put(&reminder, json!({"time_zone": "localtime"})).await.refused(), "body.time_zone");
    let nobodys = format!("/api/journals/{}", new_id());
    assert_eq!(ada.put(&nobodys, json!({"entry_zone": "posixrules"})).await.refused(), "body.entry_zone");
}

async fn a_user_can_leave_an_unknown_zone(server: Server) {
    let ada = server.person("ada").await;
    let reminder = remind(&ada).await;
    server.scratch.execute("UPDATE users SET time_zone = 'localtime'").await.unwrap();
    server.scratch.execute("UPDATE reminders SET time_zone = 'localtime'").await.unwrap();
    let ada = again(&ada).await;
    ada.put("/api/users/me", json!({"time_zone": "Asia/Tokyo"})).await.expect(StatusCode::OK);
    let moved = ada.get(&format!("/api/reminders/{}", reminder["id"].as_str().unwrap())).await.expect(StatusCode::OK);
    assert_eq!((&moved["time_zone"], &moved["time"]), (&json!("Asia/Tokyo"), &json!("2025-01-22T11:00:00Z")));
}
