//! Reminders.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::on_both_engines;
use crate::server::Server;

on_both_engines!(
    reminders_are_created_changed_and_deleted,
    frequencies_and_their_days,
    reminders_follow_the_users_time_zone,
    a_preview_shows_the_next_five_times,
    invalid_reminders_are_rejected
);

fn reminder() -> Value {
    json!({"title": "Test Reminder", "message": "Test message", "frequency": "daily", "time": "2025-01-22T20:00:00Z"})
}

fn with(field: &str, value: impl Into<Value>) -> Value {
    let mut reminder = reminder();
    reminder[field] = value.into();
    reminder
}

async fn reminders_are_created_changed_and_deleted(server: Server) {
    let ada = server.person_in("ada", "Europe/Berlin").await;
    let created = ada.post("/api/reminders/", reminder()).await.expect(StatusCode::CREATED);
    assert_eq!(
        (&created["frequency"], &created["is_active"], &created["custom_days"]),
        (&json!("daily"), &json!(true), &Value::Null)
    );
    assert_eq!((&created["time_zone"], &created["user_id"]), (&json!("Europe/Berlin"), &json!(ada.id)));
    assert!(created["next_due_at"].as_str().unwrap() > created["created_at"].as_str().unwrap());
    let path = format!("/api/reminders/{}", created["id"].as_str().unwrap());
    assert_eq!(ada.get(&path).await.expect(StatusCode::OK), created);
    assert_eq!(ada.get("/api/reminders/").await.expect(StatusCode::OK), json!([created]));

    let off = ada.put(&path, json!({"is_active": false, "title": "Later"})).await.expect(StatusCode::OK);
    assert_eq!(
        (&off["next_due_at"], &off["title"], &off["message"]),
        (&Value::Null, &json!("Later"), &created["message"])
    );
    let on = ada.put(&path, json!({"is_active": true})).await.expect(StatusCode::OK);
    assert_eq!(on["next_due_at"], created["next_due_at"]);

    let deleted = ada.delete(&path).await.expect(StatusCode::OK);
    assert_eq!(deleted, json!({"message": "Reminder deleted successfully"}));
    for response in [ada.get(&path).await, ada.put(&path, json!({})).await, ada.delete(&path).await] {
        assert_eq!(response.expect(StatusCode::NOT_FOUND)["detail"], "Reminder not found");
    }
}

async fn frequencies_and_their_days(server: Server) {
    let ada = server.person("ada").await;
    for frequency in ["daily", "weekdays", "weekends", "weekly", "monthly"] {
        let created = ada.post("/api/reminders/", with("frequency", frequency)).await.expect(StatusCode::CREATED);
        assert_eq!(created["frequency"], frequency);
        assert!(created["next_due_at"].as_str().unwrap().ends_with("T20:00:00Z"));
    }
    let mut custom = with("frequency", "custom");
    custom["custom_days"] = json!("Fri, mon");
    let created = ada.post("/api/reminders/", custom).await.expect(StatusCode::CREATED);
    assert_eq!(created["custom_days"], "mon,fri");
    let path = format!("/api/reminders/{}", created["id"].as_str().unwrap());
    let kept = ada.put(&path, json!({"title": "kept"})).await.expect(StatusCode::OK);
    assert_eq!(kept["custom_days"], "mon,fri");
    let daily = ada.put(&path, json!({"frequency": "daily"})).await.expect(StatusCode::OK);
    assert_eq!((&daily["frequency"], &daily["custom_days"]), (&json!("daily"), &Value::Null));
}

async fn reminders_follow_the_users_time_zone(server: Server) {
    let ada = server.person_in("ada", "Europe/Berlin").await;
    let evening =
        ada.post("/api/reminders/", with("time", "2025-01-22T21:00:00+01:00")).await.expect(StatusCode::CREATED);
    let mut fixed = with("time", "2025-01-22T21:00:00Z");
    fixed["time_zone"] = json!("UTC");
    let fixed = ada.post("/api/reminders/", fixed).await.expect(StatusCode::CREATED);
    ada.put("/api/users/me", json!({"time_zone": "America/New_York"})).await.expect(StatusCode::OK);
    let moved = ada.get(&format!("/api/reminders/{}", evening["id"].as_str().unwrap())).await.body;
    assert_eq!((&moved["time"], &moved["time_zone"]), (&json!("2025-01-23T02:00:00Z"), &json!("America/New_York")));
    assert_ne!(moved["next_due_at"], evening["next_due_at"]);
    assert_eq!(ada.get(&format!("/api/reminders/{}", fixed["id"].as_str().unwrap())).await.body, fixed);
}

async fn a_preview_shows_the_next_five_times(server: Server) {
    let ada = server.person_in("ada", "Europe/Berlin").await;
    let preview = async |body: &Value| ada.post("/api/reminders/preview", body.clone()).await;
    // In Berlin, summer time ends in the night to Sunday the 26th.
    let mut sundays = json!({"frequency": "custom", "custom_days": "sat,sun", "time": "2099-10-24T20:00:00+02:00"});
    let times = ["2099-10-24T18:00:00Z", "2099-10-25T19:00:00Z", "2099-10-31T19:00:00Z", "2099-11-01T19:00:00Z"];
    let shown = preview(&sundays).await.expect(StatusCode::OK);
    assert_eq!(shown["times"].as_array().unwrap().len(), 5);
    assert_eq!(shown["times"].as_array().unwrap()[..4], times.map(Value::from));
    sundays["time_zone"] = json!("UTC");
    assert_eq!(preview(&sundays).await.expect(StatusCode::OK)["times"][1], "2099-10-25T18:00:00Z");

    // The preview matches the reminder.
    let daily = with("time_zone", "Asia/Kolkata");
    let created = ada.post("/api/reminders/", daily.clone()).await.expect(StatusCode::CREATED);
    let daily = json!({"frequency": "daily", "time": daily["time"], "time_zone": daily["time_zone"]});
    assert_eq!(preview(&daily).await.expect(StatusCode::OK)["times"][0], created["next_due_at"]);
    let last = json!({"frequency": "monthly", "time": "9999-12-29T20:00:00Z", "time_zone": "UTC"});
    assert_eq!(preview(&last).await.expect(StatusCode::OK), json!({"times": ["9999-12-29T20:00:00Z"]}));

    for (field, value, place) in [
        ("frequency", json!("hourly"), "body.frequency"),
        ("frequency", json!("custom"), "body.custom_days"),
        ("custom_days", json!("mon"), "body.custom_days"),
        ("time", json!("20:00"), "body.time"),
        ("time_zone", json!("Mars/Olympus"), "body.time_zone"),
        ("title", json!("t"), "body.title"),
    ] {
        let mut body = daily.clone();
        body[field] = value;
        assert_eq!(preview(&body).await.refused(), place);
    }
    assert_eq!(ada.get("/api/reminders/").await.body, json!([created]));
}

async fn invalid_reminders_are_rejected(server: Server) {
    let ada = server.person("ada").await;
    for (field, value, place) in [
        ("title", json!(""), "body.title"),
        ("title", json!("x".repeat(201)), "body.title"),
        ("message", json!("x".repeat(2001)), "body.message"),
        ("message", json!(null), "body.message"),
        ("frequency", json!("hourly"), "body.frequency"),
        ("frequency", json!("custom"), "body.custom_days"),
        ("custom_days", json!("mon"), "body.custom_days"),
        ("time", json!("20:00"), "body.time"),
        ("time", json!("2025-01-22T20:00:00"), "body.time"),
        ("time", json!("10000-01-01T00:00:00Z"), "body.time"),
        ("time_zone", json!("Mars/Olympus"), "body.time_zone"),
        ("is_active", json!("yes"), "body.is_active"),
        ("next_due_at", json!("2025-01-22T20:00:00Z"), "body.next_due_at"),
    ] {
        assert_eq!(ada.post("/api/reminders/", with(field, value)).await.refused(), place);
    }
    assert_eq!(ada.get("/api/reminders/").await.body, json!([]));
}
