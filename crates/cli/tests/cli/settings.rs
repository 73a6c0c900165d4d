//! Sources of settings, and refused settings.

use std::fs;
use std::io::{BufRead, BufReader};

use crate::program::{Home, RunningServer, read_greeting};

#[test]
fn unknown_settings_are_refused_with_a_hint() {
    let home = Home::sqlite();
    let output = home.command(&["db", "current"]).env("SOTTO_DATABSE", "x").output().unwrap();
    let error = crate::program::Finished::from_output(output).refused();
    assert!(error.contains("SOTTO_DATABSE") && error.contains("did you mean SOTTO_DATABASE?"), "{error}");

    fs::write(home.path("sotto.toml"), "registraton = \"closed\"\n").unwrap();
    let error = home.run(&["db", "current"]).refused();
    assert!(error.contains("registraton") && error.contains("did you mean registration?"), "{error}");

    for (wrong, message) in [
        ("registration = \"maybe\"", "line 1: registration must be \"first\", \"open\" or \"closed\""),
        ("listen = 8080", "listen"),
        ("listen = ", "sotto.toml"),
        ("drain_seconds = 4000", "drain_seconds: 4000 is not in 0..=3600"),
        ("drain_seconds = -1", "drain_seconds"),
        ("log = \"[[[\"", "line 1: log: "),
        ("listen = \"localhost:80\"", "for localhost, write 127.0.0.1:80"),
        ("# port\n\nlisten = 8080", "line 3: listen must be an IP address and a port in quotes"),
        ("metrics_token = \"\"", "metrics_token: expected one word"),
        ("data_dir = \"\"", "data_dir: it is empty"),
        ("auto_upgrade = \"yes\"", "auto_upgrade must be true or false"),
        ("public_url = \"journal.example\"", "public_url"),
        ("trusted_proxies = [\"nowhere\"]", "nowhere"),
        ("alert_interval = 0", "alert_interval: '0' is not a whole number from 1 to 86400"),
        ("alert_index_usage = 101", "alert_index_usage"),
        ("alert_statement_ms = \"soon\"", "alert_statement_ms"),
        ("alert_webhook = \"pager\"", "alert_webhook"),
        ("alert_backup_days = 0", "alert_backup_days: '0' is not a whole number from 1 to 3650, or off"),
        ("alert_backup_days = \"never\"", "alert_backup_days: 'never' is not a whole number"),
        ("database = \"mysql://x\"", "sqlite:PATH or postgres://"),
        ("web_dir = \"nowhere\"", "nowhere has no index.html: build the app"),
        ("attachments = \"gs://x\"", "s3://bucket/prefix"),
        ("audio_limit = 0", "audio_limit"),
        ("connections_per_client = 0", "connections_per_client: 0 is not in 1..=65535"),
        ("database_connections = 0", "database_connections: 0 is not in 1..=1000"),
        ("database_connections = 1001", "database_connections: 1001 is not in 1..=1000"),
        ("database_wait = -1", "database_wait"),
        ("audio_quota = -1", "audio_quota"),
        ("[oidc]\nid = \"a\"", "oidc"),
        ("[[oidc]]\nisuer = \"https://id.example.org\"", "oidc[0].isuer: unknown field `isuer`"),
        ("[[oidc]]\npreset = \"gogle\"", "oidc[0].preset"),
    ] {
        fs::write(home.path("sotto.toml"), wrong).unwrap();
        let error = home.run(&["db", "current"]).refused();
        assert!(error.contains(message), "{wrong}: {error}");
    }
    let error = home.run(&["--config", "missing.toml", "db", "current"]).refused();
    assert!(error.contains("missing.toml"), "{error}");
    assert_eq!(home.run(&["db", "sideways"]).code, Some(2));
}

#[test]
fn flags_override_variables_and_variables_override_the_file() {
    let home = Home::sqlite();
    fs::write(home.path("sotto.toml"), "public_url = \"http://file.example/\"\nrate_limits = \"off\"\n").unwrap();
    let greeting = |arguments: &[&str]| RunningServer::start(&home, arguments).greeting.clone();
    assert!(greeting(&[]).contains("http://file.example/api/docs"));
    assert!(greeting(&["--public-url", "http://flag.example"]).contains("http://flag.example/api/docs"));
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut child = command.env("SOTTO_PUBLIC_URL", "http://variable.example").spawn().unwrap();
    let (out, is_complete) = read_greeting(child.stdout.take().unwrap());
    assert!(is_complete, "{out}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(out.contains("http://variable.example/api/docs"), "{out}");
}

#[test]
fn an_unusable_provider_is_rejected() {
    let home = Home::sqlite();
    let start = "public_url = \"https://journal.example.org\"\n[[oidc]]\n";
    let whole = "id = \"k\"\nissuer = \"https://id.example.org\"\nclient_id = \"c\"\nclient_secret = \"s3cret\"\n";
    let without = |key: &str| {
        let lines = whole.lines().filter(|line| !line.starts_with(key));
        format!("{start}{}\n", lines.collect::<Vec<_>>().join("\n"))
    };
    for (file, message) in [
        (without("id"), "an id"),
        (without("issuer"), "the provider k needs an issuer"),
        (without("client_id"), "client_id"),
        (without("client_secret"), "client_secret"),
        (format!("[[oidc]]\n{whole}"), "public_url must be set"),
        (format!("{start}{whole}[[oidc]]\n{whole}"), "two providers with the id k"),
        (format!("{start}{}", whole.replace("https:", "http:")), "https://"),
        (format!("{start}{}", whole.replace("\"k\"", "\"Key Cloak\"")), "the id 'Key Cloak'"),
        (format!("{start}preset = \"google\"\nclient_id = \"c\""), "the provider google needs a client_secret"),
    ] {
        fs::write(home.path("sotto.toml"), &file).unwrap();
        let error = home.run(&["serve", "--listen", "127.0.0.1:0"]).refused();
        assert!(error.contains(message) && !error.contains("s3cret"), "{file}: {error}");
    }
    fs::remove_file(home.path("sotto.toml")).unwrap();
    let output = home.command(&["serve"]).env("SOTTO_OIDC_CLIENT_ID", "c").output().unwrap();
    assert!(crate::program::Finished::from_output(output).refused().contains("an id"));
}

#[tokio::test]
async fn providers_come_from_the_file_and_from_variables() {
    let home = Home::sqlite();
    // No server listens there: Sotto starts all the same, and reports it to users who want to sign in.
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
    // The welcome shows the public address, so the log must show the actual one.
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let serving = log.find(|line| line.contains("\"serving\"")).expect("it serves");
    let serving: serde_json::Value = serde_json::from_str(&serving).unwrap();
    let address = serving["address"].as_str().unwrap();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for (provider, code) in [("home", "provider_unavailable"), ("other", "unknown_provider")] {
        let start = client.get(format!("http://{address}/api/auth/oidc/{provider}/start"));
        let response = start.send().await.unwrap();
        assert_eq!(response.headers()["location"], format!("/login?error={code}"));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let names_provider = |line: String| line.contains("a provider cannot be reached") && line.contains("\"home\"");
    assert!(log.any(names_provider), "the log reports the provider");
}

#[test]
fn a_password_in_an_address_is_never_shown() {
    let home = Home::sqlite();
    for address in ["postgres://ada:s3cret@127.0.0.1:1/none", "postgres://127.0.0.1:1/none?user=ada&password=s3cret"] {
        for arguments in [&["db", "current"][..], &["serve"], &["user", "list"], &["db", "upgrade"]] {
            let mut command = home.command(arguments);
            command.env("SOTTO_DATABASE", address).env("SOTTO_LOG", "trace").env("SOTTO_DATABASE_WAIT", "1");
            let output = command.output().unwrap();
            let finished = crate::program::Finished::from_output(output);
            assert!(!finished.err.contains("s3cret") && !finished.out.contains("s3cret"), "{}", finished.err);
            assert_eq!(finished.code, Some(1));
        }
    }
    // Text after an @ or ? in a password is no host and no option.
    for password in ["p@s3cret", "p?s3cret", "p@h?s3cret=1", "p/s3cret"] {
        let address = format!("postgres://ada:{password}@127.0.0.1:1/none");
        let output = home.command(&["db", "current"]).env("SOTTO_DATABASE", address).output().unwrap();
        let refusal = crate::program::Finished::from_output(output).refused();
        assert!(refusal.contains("postgres://ada@127.0.0.1:1/none") && !refusal.contains("s3cret"), "{refusal}");
        assert!(refusal.to_lowercase().contains("connection refused"), "{refusal}");
    }
}

#[test]
fn invalid_variables_are_rejected_with_the_expected_form() {
    let home = Home::sqlite();
    for (variable, value, message) in [
        ("SOTTO_LISTEN", "localhost:8080", "for localhost, write 127.0.0.1:8080"),
        ("SOTTO_LISTEN", "8080", "an IP address and a port, such as 127.0.0.1:8080"),
        ("SOTTO_METRICS_TOKEN", "", "not empty"),
        ("SOTTO_METRICS_TOKEN", "two words", "one word"),
    ] {
        let finished =
            crate::program::Finished::from_output(home.command(&["serve"]).env(variable, value).output().unwrap());
        assert_eq!(finished.code, Some(2), "{}", finished.err);
        assert!(finished.err.contains(message), "{variable}: {}", finished.err);
    }
    // Values that may be secret are not repeated.
    for (variable, arguments) in [
        ("SOTTO_DATABASE", &["db", "current"][..]),
        ("SOTTO_COPY_TO", &["db", "copy"]),
        ("UNUSED", &["db", "copy", "--to", "sqlite:x", "--from", "postgres:/ada:s3cret@db/sotto"]),
        ("UNUSED", &["db", "current", "--database", "postgres:/ada:s3cret@db/sotto"]),
        ("SOTTO_ALERT_WEBHOOK", &["serve"]),
    ] {
        let value = "postgres:/ada:s3cret@db/sotto";
        let finished =
            crate::program::Finished::from_output(home.command(arguments).env(variable, value).output().unwrap());
        assert_eq!(finished.code, Some(2), "{}", finished.err);
        assert!(finished.err.contains("invalid value '…'") && !finished.err.contains("s3cret"), "{}", finished.err);
    }
}

/// The settings of a systemd unit in the documentation.
fn unit(page: &str, name: &str) -> Vec<(String, String)> {
    let text = page.split("```ini\n").find_map(|block| block.strip_prefix(&format!("# /etc/systemd/system/{name}\n")));
    let lines = text.unwrap_or_else(|| panic!("{name} is documented")).lines().take_while(|line| *line != "```");
    lines.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_documented_systemd_units_are_consistent() {
    let service = unit(include_str!("../../../../docs/operation.md"), "sotto.service");
    let backup = unit(include_str!("../../../../docs/backup.md"), "sotto-backup.service");
    let of = |unit: &[(String, String)], key: &str| {
        unit.iter().find(|(found, _)| found == key).map(|(_, value)| value.clone())
    };
    // User, folder and settings must be the same; otherwise the backup is of another journal or cannot be read.
    for key in ["User", "DynamicUser", "StateDirectory", "StateDirectoryMode", "Environment"] {
        assert_eq!(of(&service, key), of(&backup, key), "{key}");
    }
    assert_eq!(of(&service, "User").as_deref(), Some("sotto"));
    assert_eq!(of(&service, "Restart").as_deref(), Some("on-failure"));
    assert!(of(&backup, "ExecStart").unwrap().contains("sotto backup --keep"));
}
