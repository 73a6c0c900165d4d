//! `sotto user`.

use crate::program::{Home, PASSWORD, Serving};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_manages_accounts_beside_a_running_server() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let server = Serving::start(&home, &["--registration", "closed"]);
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
        home.run_with_input(&["user", "set-password", "ada@example.org", "--password-stdin"], "another password").ok();
        assert_eq!(server.login("ada@example.org", PASSWORD).await.0, 401);
        assert_eq!(server.login("ada@example.org", "another password").await.0, 200);
        server.stop();
    }
}

#[test]
fn mistakes_are_told() {
    let home = Home::sqlite();
    let create =
        |email: &str, password: &str| home.run_with_input(&["user", "create", email, "--password-stdin"], password);
    create("ada@example.org", PASSWORD).ok();
    for (finished, said) in [
        (create("ADA@example.org", PASSWORD), "has an account already"),
        (create("nobody", PASSWORD), "must be an e-mail address"),
        (create("ben@example.org", "short"), "must be at least 8"),
        (create("ben@example.org", ""), "must be at least 8"),
        (home.run(&["user", "create", "ben@example.org"]), "--password-stdin"),
        (home.run(&["user", "create", "ben@example.org", "--time-zone", "Mars"]), "time zone"),
        (home.run(&["user", "deactivate", "ben@example.org"]), "has no account"),
        (home.run(&["user", "set-password", "ben@example.org"]), "has no account"),
    ] {
        let refusal = finished.refused();
        assert!(refusal.contains(said), "{refusal}");
    }
    assert_eq!(home.run(&["user", "list", "--json"]).json().as_array().unwrap().len(), 1);
}
