//! Recordings of sealed entries: encrypted by the client, and accessible while the secret tag is unlocked.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sotto_crypto::client::{AudioKey, Recording};
use sotto_crypto::recording::{CHUNK, HEAD, SEALED_CHUNK, sealed_length};
use sotto_domain::{EntryId, UserId};
use sotto_server::Config;
use sotto_server::system::SystemRandom;
use sotto_storage::testing::Scratch;
use uuid::Uuid;

use crate::audio::{audio, wav};
use crate::on_both_engines;
use crate::server::{ApiResponse, Server, lenient};
use crate::vault::{DATE, Open, PHRASE, Secret, path, text};

on_both_engines!(
    a_recording_is_uploaded_and_played_in_parts,
    a_recording_needs_the_unlocked_secret_tag,
    unencrypted_recordings_are_rejected,
    moving_an_entry_frees_its_recording,
    an_upload_during_a_move_leaves_nothing_unencrypted,
    deleting_a_secret_tag_deletes_its_recordings
);

impl Open<'_> {
    pub fn encrypt(&self, entry: &Value, plaintext: &[u8]) -> (Vec<u8>, AudioKey) {
        let (user, entry) = self.place(entry);
        Recording::seal_all(user, entry, "audio/webm;codecs=opus", plaintext, &SystemRandom).unwrap()
    }

    pub fn decrypt(&self, entry: &Value, key: &AudioKey, sealed: &[u8]) -> Vec<u8> {
        let (user, entry) = self.place(entry);
        let recording = Recording::open(user, entry, key, &sealed[..HEAD]).unwrap();
        let chunks = (0_u32..).zip(sealed[HEAD..].chunks(SEALED_CHUNK));
        let plaintext: Vec<u8> =
            chunks.flat_map(|(at, chunk)| recording.open_chunk(at, chunk).unwrap().to_vec()).collect();
        assert_eq!(plaintext.len() as u64, recording.byte_length());
        plaintext
    }

    fn place(&self, entry: &Value) -> (UserId, EntryId) {
        (self.scope.user, EntryId(text(entry, "id").parse().unwrap()))
    }

    pub fn record(&self, entry: &Value, sealed: Vec<u8>) -> RequestBuilder {
        let request = self.request(Method::PUT, &audio(entry));
        request.header("content-type", "application/octet-stream").body(sealed)
    }
}

async fn a_recording_is_uploaded_and_played_in_parts(server: Server) {
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let entry = open.write("Whispered.", DATE).await;
    let plaintext = wav(3 * CHUNK + 5, 7);
    let (sealed, key) = open.encrypt(&entry, &plaintext);
    let sent = ApiResponse::receive(open.record(&entry, sealed.clone())).await.expect(StatusCode::CREATED);
    assert_eq!(
        (&sent["media_type"], &sent["byte_length"], &sent["audio_url"]),
        (&json!("application/octet-stream"), &json!(sealed.len()), &Value::Null)
    );
    // The row reveals nothing: what the client needs is sealed.
    let now = open.get(&path(&entry)).await.expect(StatusCode::OK);
    assert_eq!((&now["audio_url"], &now["revision"]), (&Value::Null, &json!(1)));

    let part = async |start: usize, end: usize| {
        let request = open.request(Method::GET, &audio(&entry)).header("range", format!("bytes={start}-{}", end - 1));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(response.headers()["content-type"], "application/octet-stream");
        response.bytes().await.unwrap()
    };
    let (user, id) = open.place(&entry);
    let recording = Recording::open(user, id, &key, &part(0, HEAD).await).unwrap();
    assert_eq!((recording.chunks(), recording.byte_length()), (4, plaintext.len() as u64));
    let third = part(HEAD + 2 * SEALED_CHUNK, HEAD + 3 * SEALED_CHUNK).await;
    assert!(recording.open_chunk(2, &third).unwrap()[..] == plaintext[2 * CHUNK..3 * CHUNK]);
    let files = server.objects();
    let stored = std::fs::read(&files[0]).unwrap();
    assert!(files.len() == 1 && stored == sealed, "what lies there is what was sent");

    // Sealing the entry again keeps the recording.
    open.put(&path(&entry), 1, open.seal(id.0, 2, "Shouted.")).await.expect(StatusCode::OK);
    open.request(Method::HEAD, &audio(&entry)).send().await.unwrap().error_for_status().unwrap();
    open.delete(&path(&entry)).await.expect(StatusCode::OK);
    assert_eq!(server.objects().len(), 0);
}

async fn a_recording_needs_the_unlocked_secret_tag(server: Server) {
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let entry = open.write("Whispered.", DATE).await;
    let (sealed, _) = open.encrypt(&entry, b"hush");
    let unlocked =
        |method: Method| ada.request(method, &audio(&entry)).header("content-type", "application/octet-stream");
    let locked = ApiResponse::receive(unlocked(Method::PUT).body(sealed.clone())).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(locked["detail"], "Journal entry not found");
    ApiResponse::receive(open.record(&entry, sealed)).await.expect(StatusCode::CREATED);
    // While the secret tag is locked, the recording seems not to exist.
    let nowhere = json!({"id": Uuid::from_u128(7)});
    let missing = ada.get(&audio(&nowhere)).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(ada.get(&audio(&entry)).await.expect(StatusCode::NOT_FOUND), missing);
    assert_eq!(ada.delete(&audio(&entry)).await.expect(StatusCode::NOT_FOUND), missing);
    assert_eq!(unlocked(Method::HEAD).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    open.get(&audio(&entry)).await.expect(StatusCode::OK);
    open.delete(&audio(&entry)).await.expect(StatusCode::OK);
    open.get(&audio(&entry)).await.expect(StatusCode::NOT_FOUND);
}

async fn unencrypted_recordings_are_rejected(server: Server) {
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let entry = open.write("Whispered.", DATE).await;
    let plain = open.request(Method::PUT, &audio(&entry)).header("content-type", "audio/wav").body(wav(1000, 1));
    ApiResponse::receive(plain).await.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (sealed, _) = open.encrypt(&entry, b"hush");
    for wrong in [vec![], wav(1000, 1), sealed[..sealed.len() - 17].to_vec(), vec![1; HEAD]] {
        let length = wrong.len();
        assert_eq!(ApiResponse::receive(open.record(&entry, wrong)).await.refused(), "body", "{length}");
    }
    server.wait_for_objects(0).await;
    // An encrypted recording is not accepted for a plain entry.
    let plain = ada.write("Said.", DATE, &[]).await;
    ApiResponse::receive(open.record(&plain, sealed)).await.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

async fn moving_an_entry_frees_its_recording(server: Server) {
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let entry = ada.write("Said.", DATE, &[]).await;
    let id: Uuid = text(&entry, "id").parse().unwrap();
    ApiResponse::receive(ada.record(&entry, "audio/wav", wav(1000, 1))).await.expect(StatusCode::CREATED);
    // A refused move keeps the recording.
    open.put(&path(&entry), 7, open.seal(id, 8, "Said.")).await.expect(StatusCode::PRECONDITION_FAILED);
    assert_eq!(server.objects().len(), 1);
    open.put(&path(&entry), 1, open.seal(id, 2, "Said.")).await.expect(StatusCode::OK);
    assert_eq!(server.objects().len(), 0, "it is not left in plain");
    open.get(&audio(&entry)).await.expect(StatusCode::NOT_FOUND);

    let (sealed, _) = open.encrypt(&entry, b"hush");
    ApiResponse::receive(open.record(&entry, sealed)).await.expect(StatusCode::CREATED);
    let out = json!({"secret_tag_id": null, "content": "Said."});
    let plain = open.put(&path(&entry), 2, out).await.expect(StatusCode::OK);
    assert_eq!((&plain["audio_url"], server.objects().len()), (&Value::Null, 0));
    ada.get(&audio(&entry)).await.expect(StatusCode::NOT_FOUND);
}

async fn an_upload_during_a_move_leaves_nothing_unencrypted(server: Server) {
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    for _ in 0..8 {
        let entry = ada.write("Said.", DATE, &[]).await;
        let id: Uuid = text(&entry, "id").parse().unwrap();
        let send = || ApiResponse::receive(ada.record(&entry, "audio/wav", wav(1000, 1)));
        let entry_path = path(&entry);
        let moved = open.put(&entry_path, 1, open.seal(id, 2, "Said."));
        let (first, second, third, moved, fourth) = tokio::join!(send(), send(), send(), moved, send());
        moved.expect(StatusCode::OK);
        for sent in [first, second, third, fourth] {
            let status = sent.status;
            // The recording was uploaded before the move, or the move was first and the upload failed.
            assert!(status.is_success() || status.is_client_error(), "{}", sent.body);
        }
        server.wait_for_objects(0).await;
    }
}

async fn deleting_a_secret_tag_deletes_its_recordings(server: Server) {
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let other = Secret::make(&ada, "another").await.unlock("another").await;
    for open in [&open, &open, &other] {
        let entry = open.write("Whispered.", DATE).await;
        ApiResponse::receive(open.record(&entry, open.encrypt(&entry, b"hush").0)).await.expect(StatusCode::CREATED);
    }
    let secret = format!("/api/secret-tags/{}", open.scope.tag);
    open.delete(&secret).await.expect(StatusCode::CONFLICT);
    assert_eq!(server.objects().len(), 3);
    open.delete(&format!("{secret}?with_entries=true")).await.expect(StatusCode::OK);
    assert_eq!(server.objects().len(), 1, "what is under the other one stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_recording_fits_after_encryption() {
    let limit = u32::try_from(CHUNK).unwrap() + 1;
    let server = Server::start(Scratch::sqlite(), Config { audio_limit: limit, ..lenient() }).await;
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let entry = open.write("Whispered.", DATE).await;
    let (sealed, _) = open.encrypt(&entry, &wav(CHUNK + 2, 1));
    let refused = ApiResponse::receive(open.record(&entry, sealed)).await.expect(StatusCode::PAYLOAD_TOO_LARGE);
    assert!(text(&refused, "detail").contains(&sealed_length(limit.into()).to_string()), "{refused}");
    let (sealed, _) = open.encrypt(&entry, &wav(CHUNK + 1, 1));
    ApiResponse::receive(open.record(&entry, sealed)).await.expect(StatusCode::CREATED);
}
