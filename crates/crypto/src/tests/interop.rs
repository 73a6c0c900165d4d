//! This crate against the code of the browser, in node: `@serenity-kit/opaque` and the vault of the web app.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::recording::{LENGTHS, noise};
use super::*;
use crate::client::{AudioKey, EntryText, Metadata, Recording, RecoveryKey, Vault};
use crate::recording::{CHUNK, HEAD, SEALED_CHUNK};
use crate::sealed::{RecoveryWrap, SealedEntry, SealedMetadata, WrappedMasterKey};

const ENTRY: u128 = 0x0193_0000_0000_7000_8000_0000_0000_0003;

/// A node process that executes the commands of `tests/interop/client.mjs`.
struct Browser {
    process: Child,
    requests: ChildStdin,
    responses: BufReader<ChildStdout>,
}

impl Browser {
    fn open() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/client.mjs");
        let mut process = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is needed: `scripts/tools node` installs it");
        let requests = process.stdin.take().unwrap();
        let responses = BufReader::new(process.stdout.take().unwrap());
        Self { process, requests, responses }
    }

    fn try_call(&mut self, call: &str, mut parameters: Value) -> Result<Value, String> {
        parameters["call"] = call.into();
        writeln!(self.requests, "{parameters}").unwrap();
        let mut line = String::new();
        self.responses.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "node has ended; if a package is missing, `scripts/tools node` installs it");
        let mut response: Value = serde_json::from_str(&line).unwrap();
        match response["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(response["ok"].take()),
        }
    }

    fn call(&mut self, call: &str, parameters: Value) -> Value {
        self.try_call(call, parameters).unwrap_or_else(|error| panic!("{call}: {error}"))
    }

    fn register(&mut self, keys: &ServerKeys, scope: Scope, phrase: &str) -> (RegistrationRecord, Value) {
        let started = self.call("registerStart", json!({"phrase": phrase}));
        let response = keys.register(scope, &text(&started["registrationRequest"]).parse().unwrap()).unwrap();
        let parameters = json!({
            "scope": names(scope),
            "phrase": phrase,
            "state": started["clientRegistrationState"],
            "response": response.to_string(),
        });
        let finished = self.call("registerFinish", parameters);
        (text(&finished["registrationRecord"]).parse().unwrap(), finished["exportKey"].clone())
    }

    /// Returns the export key after comparing the session keys; `None` if the client gave up.
    fn log_in(
        &mut self,
        keys: &ServerKeys,
        scope: Scope,
        record: Option<&RegistrationRecord>,
        phrase: &str,
        random: &dyn Random,
    ) -> Option<Value> {
        let started = self.call("loginStart", json!({"phrase": phrase}));
        let request = text(&started["startLoginRequest"]).parse().unwrap();
        let (response, pending) = keys.start_login(scope, record, &request, random).unwrap();
        let parameters = json!({
            "scope": names(scope),
            "phrase": phrase,
            "state": started["clientLoginState"],
            "response": response.to_string(),
        });
        let finished = self.call("loginFinish", parameters);
        if finished.is_null() {
            return None;
        }
        let session_key = pending.finish(&text(&finished["finishLoginRequest"]).parse().unwrap()).unwrap();
        assert_eq!(text(&finished["sessionKey"]), crate::wire::encode(session_key.as_bytes()));
        Some(finished["exportKey"].clone())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn names(scope: Scope) -> Value {
    json!({"user": scope.user, "tag": scope.tag})
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn sealed_to_json(sealed: &SealedEntry) -> Value {
    json!({
        "encryptedContent": hex(&sealed.encrypted_content),
        "encryptionIv": hex(&sealed.encryption_iv),
        "wrappedKey": hex(&sealed.wrapped_key),
        "wrapIv": hex(&sealed.wrap_iv),
    })
}

fn sealed_from_json(sealed: &Value) -> SealedEntry {
    let field = |name: &str| unhex(text(&sealed[name]));
    SealedEntry::from_parts(field("encryptedContent"), &field("encryptionIv"), &field("wrappedKey"), &field("wrapIv"))
        .unwrap()
}

fn written() -> [(EntryText, Value); 4] {
    let full =
        json!({"title": "Dienstag", "content": "Es regnet. 🌧\n", "tags": ["père", "漢"], "audioKey": "07".repeat(32)});
    let long = "\u{feff}\"\\\0".repeat(2000);
    [
        (
            EntryText {
                title: Some("Dienstag".into()),
                content: "Es regnet. 🌧\n".into(),
                tags: vec!["père".into(), "漢".into()],
                audio_key: Some(AudioKey([7; 32])),
                former_audio_key: None,
            },
            full,
        ),
        (
            EntryText {
                title: None,
                content: "Noch einmal".into(),
                tags: Vec::new(),
                audio_key: Some(AudioKey([8; 32])),
                former_audio_key: Some(AudioKey([7; 32])),
            },
            json!({"content": "Noch einmal", "tags": [], "audioKey": "08".repeat(32), "formerAudioKey": "07".repeat(32)}),
        ),
        (EntryText::default(), json!({"content": "", "tags": []})),
        (
            EntryText {
                content: long.clone(),
                title: Some(String::new()),
                tags: Vec::new(),
                audio_key: None,
                former_audio_key: None,
            },
            json!({"title": "", "content": long, "tags": []}),
        ),
    ]
}

#[test]
fn a_browser_registers_and_both_log_in() {
    let (random, mut browser) = (Seeded::new(60), Browser::open());
    let (keys, home) = (ServerKeys::generate(&random), scope(1, ENTRY));
    // Typed with a combining accent by the browser, and without by this crate.
    let (record, export_key) = browser.register(&keys, home, "cafe\u{301} ﬁn");
    let again = browser.log_in(&keys, home, Some(&record), "caf\u{e9} fin", &random);
    assert_eq!(again.as_ref(), Some(&export_key));
    let ours = log_in(&keys, home, &record, "caf\u{e9} fin", &random);
    assert_eq!(hex(ours.as_bytes()), text(&export_key));

    assert_eq!(browser.log_in(&keys, home, Some(&record), "cafe fin", &random), None);
    assert_eq!(browser.log_in(&keys, home, None, "caf\u{e9} fin", &random), None);
    assert_eq!(browser.log_in(&keys, scope(2, ENTRY), Some(&record), "caf\u{e9} fin", &random), None);
}

#[test]
fn a_browser_logs_in_to_a_registration_from_rust() {
    let (random, mut browser) = (Seeded::new(61), Browser::open());
    let (keys, home) = (ServerKeys::generate(&random), scope(1, ENTRY));
    let Registered { record, export_key, .. } = register(&keys, home, "correct horse", &random);
    let theirs = browser.log_in(&keys, home, Some(&record), "correct horse", &random).unwrap();
    assert_eq!(text(&theirs), hex(export_key.as_bytes()));
    assert_eq!(browser.log_in(&keys, home, Some(&record), "correct house", &random), None);
}

#[test]
fn browser_and_server_decrypt_each_others_entries() {
    let (random, mut browser) = (Seeded::new(62), Browser::open());
    let (keys, home, id) = (ServerKeys::generate(&random), scope(1, 2), entry(ENTRY));
    let (record, export_key) = browser.register(&keys, home, "old");
    browser.call("create", json!({"scope": names(home)}));
    let wrapped = WrappedMasterKey::from_bytes(&unhex(text(&browser.call("wrap", json!({"exportKey": export_key})))));
    let vault = Vault::unlock(home, &log_in(&keys, home, &record, "old", &random), &wrapped.unwrap()).unwrap();

    for (ours, theirs) in written() {
        let parameters = json!({"entry": id, "revision": 0x0102_0304, "text": theirs});
        let sealed = sealed_from_json(&browser.call("sealEntry", parameters));
        assert!(vault.open_entry(id, 0x0102_0304, &sealed).unwrap() == ours);

        let sealed = vault.seal_entry(id, 7, &ours, &random).unwrap();
        let place = json!({"entry": id, "revision": 7, "sealed": sealed_to_json(&sealed)});
        assert_eq!(browser.call("openEntry", place), theirs);
        let mut changed = sealed.clone();
        *changed.encrypted_content.last_mut().unwrap() ^= 1;
        for (id, revision, sealed) in [(id, 6, &sealed), (entry(1), 7, &sealed), (id, 7, &changed)] {
            let place = json!({"entry": id, "revision": revision, "sealed": sealed_to_json(sealed)});
            assert!(browser.try_call("openEntry", place).is_err());
        }
    }

    let metadata = Metadata { name: "Therapy".into(), color: Some("#1e90ff".into()) };
    let as_json = json!({"name": "Therapy", "color": "#1e90ff"});
    let sealed = unhex(text(&browser.call("sealMetadata", json!({"metadata": as_json}))));
    assert!(vault.open_metadata(&SealedMetadata::from_bytes(sealed).unwrap()).unwrap() == metadata);
    let sealed = vault.seal_metadata(&metadata, &random).unwrap();
    assert_eq!(browser.call("openMetadata", json!({"sealed": hex(sealed.as_bytes())})), as_json);

    // The browser changes the phrase and this crate opens the tag; then both open it with the recovery key.
    let sealed = vault.seal_entry(id, 7, &written()[0].0, &random).unwrap();
    let (record, export_key) = browser.register(&keys, home, "new");
    let wrapped = WrappedMasterKey::from_bytes(&unhex(text(&browser.call("wrap", json!({"exportKey": export_key})))));
    let vault = Vault::unlock(home, &log_in(&keys, home, &record, "new", &random), &wrapped.unwrap()).unwrap();
    assert!(vault.open_entry(id, 7, &sealed).unwrap() == written()[0].0);

    let recovery = browser.call("wrapForRecovery", json!({}));
    let key: RecoveryKey = text(&recovery["key"]).parse().unwrap();
    let proof = key.proof().unwrap();
    assert_eq!(text(&recovery["proof"]), hex(proof.as_bytes()));
    assert_eq!(text(&recovery["verifier"]), hex(proof.verifier().as_bytes()));
    let wrap = RecoveryWrap::from_bytes(&unhex(text(&recovery["wrap"]))).unwrap();
    assert!(Vault::recover(home, &key, &wrap).unwrap().open_entry(id, 7, &sealed).unwrap() == written()[0].0);

    let key = RecoveryKey::generate(&random);
    let wrap = hex(vault.wrap_for_recovery(&key, &random).unwrap().as_bytes());
    let mut parameters = json!({"scope": names(home), "recoveryKey": key.reveal().to_lowercase(), "wrap": wrap});
    browser.call("recover", parameters.clone());
    let place = json!({"entry": id, "revision": 7, "sealed": sealed_to_json(&sealed)});
    assert_eq!(browser.call("openEntry", place), written()[0].1);
    parameters["recoveryKey"] = RecoveryKey::generate(&random).reveal().as_str().into();
    assert!(browser.try_call("recover", parameters.clone()).is_err());
    parameters["recoveryKey"] = key.reveal().replace('-', "")[1..].into();
    assert!(browser.try_call("recover", parameters).is_err());
}

#[test]
fn browser_and_server_decrypt_each_others_recordings() {
    let (random, mut browser) = (Seeded::new(63), Browser::open());
    let (user, id, media_type) = (scope(1, 2).user, entry(ENTRY), "audio/webm;codecs=opus");
    let place = json!({"user": user, "entry": id});
    for length in LENGTHS {
        let plaintext = noise(length);
        let parameters = json!({"place": place, "mediaType": media_type, "plaintext": hex(&plaintext)});
        let theirs = browser.call("sealRecording", parameters);
        let (key, sealed) =
            (AudioKey(unhex(text(&theirs["audioKey"])).try_into().unwrap()), unhex(text(&theirs["sealed"])));
        let (recording, opened) = Recording::open_all(user, id, &key, &sealed).unwrap();
        assert!(*opened == plaintext && recording.media_type() == media_type, "{length}");

        let (sealed, key) = Recording::seal_all(user, id, media_type, &plaintext, &random).unwrap();
        let parameters = json!({"place": place, "audioKey": hex(&key.0), "sealed": hex(&sealed)});
        let opened = browser.call("openRecording", parameters);
        assert!(text(&opened["plaintext"]) == hex(&plaintext) && opened["mediaType"] == media_type, "{length}");
    }
}

#[test]
fn a_browser_reads_parts_of_a_recording_and_rejects_changes() {
    let (random, mut browser) = (Seeded::new(64), Browser::open());
    let (user, id) = (scope(1, 2).user, entry(ENTRY));
    let plaintext = noise(3 * CHUNK);
    let (sealed, key) = Recording::seal_all(user, id, "audio/ogg", &plaintext, &random).unwrap();
    let mut parameters = json!({"place": {"user": user, "entry": id}, "audioKey": hex(&key.0), "sealed": hex(&sealed)});
    let parts = [
        (0, 0, 1),
        (0, 1, 1),
        (5, CHUNK, 1),
        (CHUNK - 1, CHUNK + 1, 2),
        (CHUNK, 2 * CHUNK, 1),
        (3 * CHUNK - 1, 3 * CHUNK, 1),
        (3 * CHUNK, 3 * CHUNK, 1),
        (0, 3 * CHUNK, 3),
    ];
    parameters["parts"] = parts.iter().map(|(start, end, _)| json!([start, end])).collect();
    let responses = browser.call("readRecording", parameters.clone());
    for ((start, end, chunks), response) in parts.into_iter().zip(responses.as_array().unwrap()) {
        assert!(text(&response["plaintext"]) == hex(&plaintext[start..end]), "{start}-{end}");
        assert_eq!(response["read"], chunks * SEALED_CHUNK, "{start}-{end}");
    }
    parameters["parts"] = json!([[0, 3 * CHUNK + 1]]);
    assert!(browser.try_call("readRecording", parameters.clone()).is_err());

    let chunk = |number: usize| &sealed[HEAD + number * SEALED_CHUNK..][..SEALED_CHUNK];
    let head = &sealed[..HEAD];
    let flipped = |place: usize| {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        changed
    };
    for wrong in [
        [head, chunk(0), chunk(1)].concat(),
        [head, chunk(1), chunk(0), chunk(2)].concat(),
        [head, chunk(0), chunk(1), chunk(1)].concat(),
        [head, chunk(0), chunk(1), chunk(2), &[0]].concat(),
        sealed[..sealed.len() - 1].to_vec(),
        head[..HEAD - 1].to_vec(),
        flipped(0),
        flipped(1),
        flipped(HEAD + 5),
        flipped(sealed.len() - 1),
    ] {
        parameters["sealed"] = hex(&wrong).into();
        assert!(browser.try_call("openRecording", parameters.clone()).is_err(), "{}", wrong.len());
    }
    parameters["sealed"] = hex(&sealed).into();
    for (name, other) in [("user", user.0), ("entry", id.0)] {
        let mut elsewhere = parameters.clone();
        elsewhere["place"][name] = json!(Uuid::from_u128(other.as_u128() + 1));
        assert!(browser.try_call("openRecording", elsewhere).is_err(), "another {name}");
    }
    browser.call("openRecording", parameters);
}

#[test]
fn a_browser_computes_the_example_of_the_documentation() {
    let (mut browser, scope) = (Browser::open(), example::SCOPE);
    let mut theirs = Vec::new();
    browser.call("countRandomness", json!({}));
    browser.call("create", json!({"scope": names(scope)}));
    theirs.push(browser.call("wrap", json!({"exportKey": hex(example::EXPORT_KEY.as_bytes())})));
    let text = json!({"title": example::TITLE, "content": example::CONTENT, "tags": [example::TAG]});
    let sealed = browser.call("sealEntry", json!({"entry": example::ENTRY, "revision": 1, "text": text}));
    let field = |name: &str| sealed[name].clone();
    theirs.extend(["wrappedKey", "wrapIv", "encryptedContent", "encryptionIv"].map(field));
    let metadata = json!({"name": example::NAME, "color": example::COLOR});
    theirs.push(browser.call("sealMetadata", json!({"metadata": metadata})));
    let recovery = browser.call("wrapForRecovery", json!({}));
    let field = |name: &str| recovery[name].clone();
    theirs.extend(["key", "wrap", "proof", "verifier"].map(field));

    let ours: Vec<String> = example::sealed().into_iter().map(|(_, value)| value).collect();
    assert_eq!(theirs, ours);
    browser.call("countRandomness", json!({}));
    let place = json!({"user": scope.user, "entry": example::ENTRY});
    let parameters = json!({"place": place, "mediaType": "audio/ogg", "plaintext": "0001020304050607"});
    assert_eq!(browser.call("sealRecording", parameters)["sealed"], example::recording());
}
