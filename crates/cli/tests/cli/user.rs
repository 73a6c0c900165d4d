//! `sotto user`.

use sotto_storage::testing::wait_until;

use crate::program::{Home, PASSWORD, RunningServer};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_manages_accounts_beside_a_running_server() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let server = RunningServer::start(&home, &["--registration", "closed"]);
        let create = ["user", "create", "Ada@Example.org", "--name", "Ada", "--superuser", "--password-stdin"];
        home.run_with_input(&create, &format!("{PASSWORD}\n")).ok();
        let (status, token) = server.login("ada@example.org", PASSWORD).await;
        assert_eq!(status, 200);
        let me = server.request(reqwest::Method::GET, "/api/users/me").bearer_auth(&token);
        let me: serde_json::Value = me.send().await.unwrap().json().await.unwrap();
        assert_eq!((&me["full_name"], &me["is_superuser"]), (&"Ada".into(), &true.into()));

        assert!(home.run(&["user", "list"]).ok().contains("ada@example.org"));
        assert_eq!(home.run(&["user", "list", "--json"]).json()[0]["email"], "ada@example.org");
        home.run(&["user", "deactivate", "ada@example.org"]).ok();
        assert_eq!(server.login("ada@example.org", PASSWORD).await.0, 403);
        assert!(home.run(&["user", "list"]).ok().contains("deactivated"));
        home.run(&["user", "activate", "ada@example.org"]).ok();
        let tokens = server
            .request(reqwest::Method::POST, "/api/users/me/tokens")
            .bearer_auth(&server.login("ada@example.org", PASSWORD).await.1);
        let created =
            tokens.json(&serde_json::json!({"name": "script", "scopes": ["tags:read"]})).send().await.unwrap();
        let script: serde_json::Value = created.json().await.unwrap();
        let set = ["user", "set-password", "ada@example.org", "--password-stdin"];
        home.run_with_input(&[&set[..], &["--revoke-all", "false"]].concat(), "another password").ok();
        let read = async || {
            let tags =
                server.request(reqwest::Method::GET, "/api/tags/").bearer_auth(script["token"].as_str().unwrap());
            tags.send().await.unwrap().status().as_u16()
        };
        assert_eq!(read().await, 200);
        let said = home.run_with_input(&set, "another password").ok();
        assert!(said.contains("API tokens deleted: 1"), "{said}");
        wait_until("the server has forgotten the token", async || read().await == 401).await;
        assert_eq!(server.login("ada@example.org", PASSWORD).await.0, 401);
        assert_eq!(server.login("ada@example.org", "another password").await.0, 200);
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_in_an_unknown_zone_is_listed_and_can_be_managed() {
    for home in [Home::sqlite(), Home::postgres().await] {
        home.run(&["db", "upgrade"]).ok();
        home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], PASSWORD).ok();
        home.execute("UPDATE users SET time_zone = 'localtime'").await.unwrap();
        assert!(home.run(&["user", "list"]).ok().contains("ada@example.org"));
        assert_eq!(home.run(&["user", "list", "--json"]).json()[0]["time_zone"], "localtime");
        home.run(&["user", "deactivate", "ada@example.org"]).ok();
    }
}

#[test]
fn mistakes_are_explained() {
    let home = Home::sqlite();
    let create =
        |email: &str, password: &str| home.run_with_input(&["user", "create", email, "--password-stdin"], password);
    home.run(&["db", "upgrade"]).ok();
    create("ada@example.org", PASSWORD).ok();
    for (finished, message) in [
        (create("ADA@example.org", PASSWORD), "already has an account"),
        (create("nobody", PASSWORD), "must be an e-mail address"),
        (create("ben@example.org", "short"), "must be at least 8"),
        (create("ben@example.org", ""), "must be at least 8"),
        (create("ben@example.org", "password"), "too easy to guess"),
        (create("benjamin@example.org", "Benjamin"), "must not be made of the address"),
        (create("be\u{200b}n@example.org", PASSWORD), "hidden characters"),
        (home.run(&["user", "verify", "ben@example.org"]), "has no account"),
        (home.run(&["user", "create", "ben@example.org"]), "--password-stdin"),
        (home.run(&["user", "create", "ben@example.org", "--time-zone", "Mars"]), "time zone"),
        (home.run(&["user", "deactivate", "ben@example.org"]), "has no account"),
        (home.run(&["user", "set-password", "ben@example.org"]), "has no account"),
    ] {
        let refusal = finished.refused();
        assert!(refusal.contains(message), "{refusal}");
    }
    assert_eq!(home.run(&["user", "list", "--json"]).json().as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_gives_an_account_to_the_owner_of_its_address() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let server = RunningServer::start(&home, &[]);
        let token = server.person("ada@example.org").await;
        let is_verified = || home.run(&["user", "list", "--json"]).json()[0]["email_verified"].clone();
        assert_eq!(is_verified(), false);
        assert!(home.run(&["user", "list"]).ok().contains("address not verified"));
        let api_token = serde_json::json!({"name": "a script", "scopes": ["entries:read"]});
        let api_token =
            server.request(reqwest::Method::POST, "/api/users/me/tokens").bearer_auth(&token).json(&api_token);
        assert_eq!(api_token.send().await.unwrap().status(), 201);

        let set_password = ["user", "set-password", "ada@example.org", "--password-stdin"];
        let kept = [&set_password[..], &["--revoke-all", "false"]].concat();
        let kept = home.run_with_input(&kept, "seven small boats").ok();
        assert!(kept.contains("API tokens and identities are kept"), "{kept}");
        assert_eq!(server.login("ada@example.org", "seven small boats").await.0, 200);
        let revoked = home.run_with_input(&set_password, "eight small boats").ok();
        assert!(revoked.contains("Sessions ended: 1; API tokens deleted: 1; identities"), "{revoked}");
        home.run(&["user", "verify", "ADA@example.org"]).ok();
        home.run(&["user", "verify", "ada@example.org"]).ok();
        assert_eq!(is_verified(), true);
        assert!(!home.run(&["user", "list"]).ok().contains("not verified"));
        assert_eq!(server.login("ada@example.org", "eight small boats").await.0, 200);
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_server_accepts_one_sign_up() {
    let home = Home::sqlite();
    let server = RunningServer::start(&home, &["--registration", "first"]);
    server.person("ada@example.org").await;
    let ben = serde_json::json!({"email": "ben@example.org", "password": PASSWORD});
    let ben = server.request(reqwest::Method::POST, "/api/auth/register").json(&ben).send().await.unwrap();
    assert_eq!(ben.status(), 403);
    server.stop();
    assert_eq!(home.run(&["user", "list"]).ok().matches("superuser").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn superusers_are_promoted_and_demoted() {
    for home in [Home::sqlite(), Home::postgres().await] {
        home.run(&["db", "upgrade"]).ok();
        for email in ["ada@example.org", "ben@example.org"] {
            home.run_with_input(&["user", "create", email, "--password-stdin"], PASSWORD).ok();
        }
        let superusers = || home.run(&["user", "list"]).ok().matches("superuser").count();
        home.run(&["user", "promote", "Ada@example.org"]).ok();
        // Repeating the command is no error.
        home.run(&["user", "promote", "ada@example.org"]).ok();
        assert_eq!(superusers(), 1);
        for command in [&["user", "demote", "ada@example.org"][..], &["user", "delete", "ada@example.org", "--yes"]] {
            let refusal = home.run(command).refused();
            assert!(refusal.contains("the only active superuser") && refusal.contains("promote"), "{refusal}");
        }
        home.run(&["user", "promote", "ben@example.org"]).ok();
        home.run(&["user", "demote", "ada@example.org"]).ok();
        home.run(&["user", "demote", "ada@example.org"]).ok();
        assert_eq!(superusers(), 1);
        for command in ["promote", "demote", "delete"] {
            let refusal = home.run(&["user", command, "nobody@example.org"]).refused();
            assert!(refusal.contains("has no account"), "{refusal}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_leaves_no_recording() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let server = RunningServer::start(&home, &[]);
        let mut audio = Vec::new();
        for email in ["ada@example.org", "ben@example.org"] {
            let token = server.person(email).await;
            assert!(server.write(&token, "spoken").await);
            audio.push((server.record(&token, b"RIFF\x24\0\0\0WAVEfmt ".to_vec()).await, token));
        }
        // The store's own file does not count.
        let objects = || walkdir(&home.path("data/attachments")) - 1;
        assert_eq!(objects(), 2);
        let delete = ["user", "delete", "ada@example.org"];
        assert!(home.run(&delete).refused().contains("--yes"));
        // Another store has none of the recordings, so they would be left over.
        let elsewhere = home.run(&[&delete[..], &["--yes", "--attachments", "nowhere"]].concat()).refused();
        assert!(elsewhere.contains("16 bytes of recordings") && elsewhere.contains("--attachments"), "{elsewhere}");
        assert!(home.run(&["user", "list"]).ok().contains("ada@example.org"));
        assert_eq!(objects(), 2);

        home.run(&[&delete[..], &["--yes"]].concat()).ok();
        assert_eq!(objects(), 1);
        let list = home.run(&["user", "list"]).ok();
        assert!(!list.contains("ada@example.org") && list.contains("ben@example.org"), "{list}");
        assert_eq!(server.login("ada@example.org", PASSWORD).await.0, 401);
        let (audio, token) = &audio[1];
        let other = server.request(reqwest::Method::GET, audio).bearer_auth(token).send().await.unwrap();
        assert_eq!(other.status(), 200);
        server.stop();
    }
}

/// The number of files below a folder.
fn walkdir(folder: &std::path::Path) -> usize {
    let items = std::fs::read_dir(folder).unwrap().map(|item| item.unwrap().path());
    items.map(|path| if path.is_dir() { walkdir(&path) } else { 1 }).sum()
}
