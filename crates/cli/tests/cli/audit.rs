//! The audit log.

use reqwest::Method;
use serde_json::{Value, json};

use crate::program::{Finished, Home, PASSWORD, RunningServer};

on_both_engines!(the_audit_log_names_accounts_by_their_ids, addresses_are_logged_only_on_request);

/// The events in a log, each with its account.
fn events(log: &str) -> Vec<(String, Value)> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines = lines.filter(|line| line["target"] == "sotto::audit");
    lines.map(|line| (line["event"].as_str().unwrap().to_owned(), line["account"].clone())).collect()
}

async fn the_audit_log_names_accounts_by_their_ids(home: Home) {
    let server = RunningServer::start(&home, &["--log-format", "json"]);
    let token = server.person("ada@example.org").await;
    assert_eq!(server.login("ada@example.org", "a wrong password").await.0, 401);
    assert_eq!(server.login("nobody@example.org", PASSWORD).await.0, 401);
    let me = server.request(Method::GET, "/api/users/me").bearer_auth(&token);
    let me: Value = me.send().await.unwrap().json().await.unwrap();

    let on_command_line = |arguments: &[&str], input: &str| {
        let arguments = [&["user"], arguments, &["--log-format", "json"]].concat();
        let Finished { err, code: Some(0), .. } = home.run_with_input(&arguments, input) else {
            panic!("{arguments:?}")
        };
        assert!(!err.contains("example.org"), "{err}");
        let expected = events(&err);
        assert!(expected.iter().all(|(_, account)| *account == me["id"]), "{err}");
        expected.into_iter().map(|(event, _)| event).collect::<Vec<_>>()
    };
    let ada = "ada@example.org";
    assert_eq!(on_command_line(&["promote", ada], ""), ["superuser_granted"]);
    assert_eq!(on_command_line(&["promote", ada], ""), [""; 0], "nothing changes");
    // A second superuser, so that the first can be demoted.
    home.run_with_input(&["user", "create", "root@example.org", "--superuser", "--password-stdin"], PASSWORD).ok();
    assert_eq!(on_command_line(&["demote", ada], ""), ["superuser_revoked"]);
    assert_eq!(on_command_line(&["set-password", ada, "--password-stdin"], PASSWORD), ["password_reset_by_operator"]);
    assert_eq!(on_command_line(&["deactivate", ada], ""), ["account_deactivated"]);
    assert_eq!(server.login(ada, PASSWORD).await.0, 403);
    assert_eq!(on_command_line(&["activate", ada], ""), ["account_activated"]);
    let (status, token) = server.login(ada, PASSWORD).await;
    assert_eq!(status, 200);
    let activity = server.request(Method::GET, "/api/users/me/activity").bearer_auth(&token);
    let activity: Value = activity.send().await.unwrap().json().await.unwrap();
    let kinds: Vec<_> = activity.as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    let expected = [
        "signed_in",
        "account_activated",
        "account_deactivated",
        "password_reset_by_operator",
        "superuser_revoked",
        "superuser_granted",
        "signed_in",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(on_command_line(&["delete", ada, "--yes"], ""), ["account_deleted"]);

    let log = server.stop();
    assert!(!log.contains("example.org") && !log.contains("127.0.0.1\""), "{log}");
    assert!(log.contains("\"client\":\"127.0.0.0/24\""), "{log}");
    let id = &me["id"];
    let expected = [
        ("account_created", id),
        ("signed_in", id),
        ("sign_in_refused", id),
        ("sign_in_refused", &Value::Null),
        ("sign_in_refused", id),
        ("signed_in", id),
    ];
    assert_eq!(events(&log), expected.map(|(event, account)| (event.to_owned(), account.clone())));
}

async fn addresses_are_logged_only_on_request(home: Home) {
    let server = RunningServer::start(&home, &["--log-format", "json", "--audit-addresses"]);
    server.person("ada@example.org").await;
    assert_eq!(server.login("nobody@example.org", PASSWORD).await.0, 401);
    let delete = server.login("ada@example.org", PASSWORD).await.1;
    let delete = server.request(Method::DELETE, "/api/users/me").bearer_auth(delete);
    assert_eq!(delete.json(&json!({"password": PASSWORD})).send().await.unwrap().status(), 200);
    let log = server.stop();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("sotto::audit")).collect();
    assert_eq!(lines.len(), 5, "{log}");
    for line in lines {
        let line: Value = serde_json::from_str(line).unwrap();
        let email = if line["event"] == "sign_in_refused" { "nobody@example.org" } else { "ada@example.org" };
        assert_eq!((&line["email"], &line["client"]), (&email.into(), &"127.0.0.1".into()), "{line}");
    }
}
