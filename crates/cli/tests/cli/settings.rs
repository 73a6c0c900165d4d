//! Where settings come from, and what is refused.

use std::fs;
use std::io::{BufRead, BufReader};

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
        ("attachments = \"gs://x\"", "s3://bucket/prefix"),
        ("audio_limit = 0", "audio_limit"),
        ("audio_quota = -1", "audio_quota"),
        ("[oidc]\nid = \"a\"", "oidc"),
        ("[[oidc]]\nisuer = \"https://id.example.org\"", "oidc[0].isuer unknown field `isuer`"),
        ("[[oidc]]\npreset = \"gogle\"", "oidc[0].preset"),
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
fn a_provider_is_refused_unless_it_can_work() {
    let home = Home::sqlite();
    let start = "public_url = \"https://journal.example.org\"\n[[oidc]]\n";
    let whole = "id = \"k\"\nissuer = \"https://id.example.org\"\nclient_id = \"c\"\nclient_secret = \"s3cret\"\n";
    let without = |key: &str| {
        let lines = whole.lines().filter(|line| !line.starts_with(key));
        format!("{start}{}\n", lines.collect::<Vec<_>>().join("\n"))
    };
    for (file, said) in [
        (without("id"), "an id"),
        (without("issuer"), "the provider k needs an issuer"),
        (without("client_id"), "client_id"),
        (without("client_secret"), "client_secret"),
        (format!("[[oidc]]\n{whole}"), "public_url must be set"),
        (format!("{start}{whole}[[oidc]]\n{whole}"), "two providers of the id k"),
        (format!("{start}{}", whole.replace("https:", "http:")), "https://"),
        (format!("{start}{}", whole.replace("\"k\"", "\"Key Cloak\"")), "the id 'Key Cloak'"),
        (format!("{start}preset = \"google\"\nclient_id = \"c\""), "the provider google needs a client_secret"),
    ] {
        fs::write(home.path("sotto.toml"), &file).unwrap();
        let error = home.run(&["serve", "--listen", "127.0.0.1:0"]).refused();
        assert!(error.contains(said) && !error.contains("s3cret"), "{file}: {error}");
    }
    fs::remove_file(home.path("sotto.toml")).unwrap();
    let output = home.command(&["serve"]).env("SOTTO_OIDC_CLIENT_ID", "c").output().unwrap();
    assert!(crate::program::Finished::of(output).refused().contains("an id"));
}

#[tokio::test]
async fn providers_come_from_the_file_and_from_variables() {
    let home = Home::sqlite();
    // Nothing answers there: a server starts all the same, and says so to those who want to sign in.
    let file = "public_url = \"http://127.0.0.1:1\"
        [[oidc]]
        id = \"home\"
        issuer = \"http://127.0.0.1:1\"
        client_id = \"c\"
        [[oidc]]
        preset = \"google\"
        client_id = \"c\"
        client_secret = \"s\"";
    fs::write(home.path("sotto.toml"), file).unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--oidc-id", "home"];
    let mut command = home.command(&[&arguments[..], &["--oidc-client-secret", "s"]].concat());
    let mut child = command.spawn().unwrap();
    // What it says to people is its public address, so the log has to tell where it listens.
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let serving = log.find(|line| line.contains("\"serving\"")).expect("it serves");
    let serving: serde_json::Value = serde_json::from_str(&serving).unwrap();
    let address = serving["address"].as_str().unwrap();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for (provider, code) in [("home", "provider_unavailable"), ("other", "unknown_provider")] {
        let start = client.get(format!("http://{address}/api/auth/oidc/{provider}/start"));
        let answer = start.send().await.unwrap();
        assert_eq!(answer.headers()["location"], format!("/login?error={code}"));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let told = |line: String| line.contains("a provider cannot be reached") && line.contains("\"home\"");
    assert!(log.any(told), "the log tells of it");
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
