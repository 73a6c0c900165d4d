//! Where settings come from, and what is refused.

use std::fs;

use crate::program::{Home, Serving};

#[test]
fn unknown_settings_are_refused_with_a_hint() {
    let home = Home::sqlite();
    let output = home.command(&["db", "current"]).env("SOTTO_DATABSE", "x").output().unwrap();
    let error = crate::program::Finished::of(output).refused();
    assert!(error.contains("SOTTO_DATABSE") && error.contains("did you mean SOTTO_DATABASE?"), "{error}");

    fs::write(home.path("sotto.toml"), "registraton = \"closed\"\n").unwrap();
    let error = home.run(&["db", "current"]).refused();
    assert!(error.contains("registraton") && error.contains("did you mean registration?"), "{error}");

    for (wrong, said) in [
        ("registration = \"maybe\"", "maybe"),
        ("listen = 8080", "listen"),
        ("listen = ", "sotto.toml"),
        ("log = \"[[[\"", "log "),
        ("public_url = \"journal.example\"", "public_url"),
        ("trusted_proxies = [\"nowhere\"]", "nowhere"),
        ("alert_interval = 0", "alert_interval '0' is no whole number from 1 to 86400"),
        ("alert_index_usage = 101", "alert_index_usage"),
        ("alert_statement_ms = \"soon\"", "alert_statement_ms"),
        ("alert_webhook = \"pager\"", "alert_webhook"),
        ("database = \"mysql://x\"", "sqlite:PATH or postgres://"),
        ("web_dir = \"nowhere\"", "nowhere has no index.html: build the app"),
    ] {
        fs::write(home.path("sotto.toml"), wrong).unwrap();
        let error = home.run(&["db", "current"]).refused();
        assert!(error.contains(said), "{wrong}: {error}");
    }
    let error = home.run(&["--config", "missing.toml", "db", "current"]).refused();
    assert!(error.contains("missing.toml"), "{error}");
    assert_eq!(home.run(&["db", "sideways"]).code, Some(2));
}

#[test]
fn flags_come_before_variables_before_the_file() {
    let home = Home::sqlite();
    fs::write(home.path("sotto.toml"), "public_url = \"http://file.example/\"\nrate_limits = \"off\"\n").unwrap();
    let greeting = |arguments: &[&str]| Serving::start(&home, arguments).greeting.clone();
    assert!(greeting(&[]).contains("http://file.example/api/docs"));
    assert!(greeting(&["--public-url", "http://flag.example"]).contains("http://flag.example/api/docs"));
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut child = command.env("SOTTO_PUBLIC_URL", "http://variable.example").spawn().unwrap();
    let mut out = String::new();
    let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
    while !out.contains("Stop") && std::io::BufRead::read_line(&mut reader, &mut out).unwrap() > 0 {}
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(out.contains("http://variable.example/api/docs"), "{out}");
}

#[test]
fn a_password_in_an_address_is_never_shown() {
    let home = Home::sqlite();
    for address in ["postgres://ada:s3cret@127.0.0.1:1/none", "postgres://127.0.0.1:1/none?user=ada&password=s3cret"] {
        for arguments in [&["db", "current"][..], &["serve"], &["user", "list"], &["db", "upgrade"]] {
            let output =
                home.command(arguments).env("SOTTO_DATABASE", address).env("SOTTO_LOG", "trace").output().unwrap();
            let finished = crate::program::Finished::of(output);
            assert!(!finished.err.contains("s3cret") && !finished.out.contains("s3cret"), "{}", finished.err);
            assert_eq!(finished.code, Some(1));
        }
    }
}
