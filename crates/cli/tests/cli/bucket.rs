//! Recordings in a bucket of a server that implements S3.

use std::path::Path;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use reqwest::{Method, RequestBuilder, StatusCode};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::program::{Home, RunningServer};

const KEY: &str = "sotto";
const SECRET: &str = "a secret of nobody";

/// A server with one bucket, which stores objects as files. Stops when it is dropped.
struct Store {
    folder: TempDir,
    address: String,
    task: JoinHandle<()>,
}

impl Store {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("journal")).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            // They end with the task.
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
                connections.spawn(connection);
            }
        });
        Self { folder, address, task }
    }

    /// A home with its recordings in this bucket.
    fn home(&self, secret: &str) -> Home {
        let mut home = Home::sqlite();
        for (name, value) in [
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT", &self.address),
            ("AWS_ALLOW_HTTP", "true"),
        ] {
            home.variables.push((name, value.to_owned()));
        }
        home
    }

    /// The sizes of the objects under this prefix, without the server's hidden files and the store's mark.
    fn objects(&self, prefix: &str) -> Vec<u64> {
        let mut sizes = Vec::new();
        collect(&self.folder.path().join("journal").join(prefix), &mut sizes);
        sizes
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn collect(folder: &Path, sizes: &mut Vec<u64>) {
    for item in std::fs::read_dir(folder).into_iter().flatten() {
        let item = item.unwrap();
        if item.file_type().unwrap().is_dir() {
            collect(&item.path(), sizes);
        } else if !item.file_name().to_string_lossy().starts_with('.') && item.file_name() != "sotto-store.json" {
            sizes.push(item.metadata().unwrap().len());
        }
    }
}

fn wav(length: usize, byte: u8) -> Vec<u8> {
    [b"RIFF\x24\0\0\0WAVEfmt ".to_vec(), vec![byte; length - 16]].concat()
}

async fn body(request: RequestBuilder, status: StatusCode) -> Vec<u8> {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), status);
    response.bytes().await.unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_are_stored_in_a_bucket_and_restored_from_a_backup() {
    let store = Store::start().await;
    let home = store.home(SECRET);
    let server = RunningServer::start(&home, &["--attachments", "s3://journal/old"]);
    let token = server.person("ada@example.org").await;
    assert!(server.write(&token, "Spoken").await);
    // More than one part of an upload.
    let long = wav(11 << 20, 1);
    let audio = server.record(&token, long.clone()).await;
    let play = |server: &RunningServer| server.request(Method::GET, &audio).bearer_auth(&token);
    assert!(body(play(&server), StatusCode::OK).await == long);
    let part = play(&server).header("range", "bytes=16-99");
    assert_eq!(body(part, StatusCode::PARTIAL_CONTENT).await, vec![1; 84]);
    assert_eq!(store.objects("old"), [11 << 20]);

    // A replaced recording is deleted, and a refused one is not stored.
    let send = |recording| server.request(Method::PUT, &audio).bearer_auth(&token).body(recording);
    let short = wav(1000, 2);
    body(send(short.clone()), StatusCode::OK).await;
    body(send(vec![0; 1000]), StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    assert_eq!(store.objects("old"), [1000]);

    let file = home.path("moved.tar");
    let file = file.to_str().unwrap();
    home.run(&["backup", file, "--with-keys", "--keys-in-the-clear", "--attachments", "s3://journal/old"]).ok();
    let new = store.home(SECRET);
    new.run(&["restore", file, "--attachments", "s3://journal/new"]).ok();
    let restored = RunningServer::start(&new, &["--attachments", "s3://journal/new"]);
    assert!(body(play(&restored), StatusCode::OK).await == short);
    restored.stop();

    let entry = audio.strip_suffix("/audio").unwrap();
    body(server.request(Method::DELETE, entry).bearer_auth(&token), StatusCode::OK).await;
    assert_eq!((store.objects("old"), store.objects("new")), (vec![], vec![1000]));
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_bucket_is_reported_at_the_start() {
    let store = Store::start().await;
    for (home, place) in [(store.home("another secret"), "s3://journal"), (store.home(SECRET), "s3://nowhere/old")] {
        let refused = home.run(&["serve", "--listen", "127.0.0.1:0", "--attachments", place]).refused();
        assert!(refused.contains(&format!("the attachment store {place} cannot be used")), "{refused}");
        assert!(!refused.contains(SECRET) && !refused.contains("another secret"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_bucket_a_server_reports_it_and_serves_everything_else() {
    let store = Store::start().await;
    let home = store.home(SECRET);
    let server = RunningServer::start(&home, &["--attachments", "s3://journal"]);
    let token = server.person("ada@example.org").await;
    assert!(server.write(&token, "Spoken").await);
    let audio = server.record(&token, wav(1000, 1)).await;
    drop(store);
    body(server.request(Method::GET, &audio).bearer_auth(&token), StatusCode::SERVICE_UNAVAILABLE).await;
    let send = server.request(Method::PUT, &audio).bearer_auth(&token).body(wav(2000, 2));
    body(send, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(server.write(&token, "Written").await);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_belongs_to_one_database_and_quarantines_unknown_objects() {
    let store = Store::start().await;
    let mut home = store.home(SECRET);
    home.variables.push(("SOTTO_ATTACHMENTS", "s3://journal/one".to_owned()));
    let server = RunningServer::start(&home, &[]);
    let token = server.person("ada@example.org").await;
    assert!(server.write(&token, "Spoken").await);
    let audio = server.record(&token, wav(1000, 1)).await;

    // A second journal, by mistake.
    let mut second = store.home(SECRET);
    second.variables.push(("SOTTO_ATTACHMENTS", "s3://journal/one".to_owned()));
    let refused = second.run(&["serve", "--listen", "127.0.0.1:0"]).refused();
    assert!(refused.contains("belongs to another database"), "{refused}");

    // An object that no entry has, two hours old.
    let bucket = store.folder.path().join("journal/one");
    let folder =
        std::fs::read_dir(&bucket).unwrap().map(|item| item.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let known = std::fs::read_dir(&folder).unwrap().map(|item| item.unwrap().path()).next().unwrap();
    let lost = folder.join("0190b5a4-1111-7222-8333-444455556666");
    std::fs::write(&lost, vec![7; 77]).unwrap();
    let old = std::fs::metadata(&lost).unwrap().modified().unwrap() - std::time::Duration::from_hours(2);
    std::fs::File::options().write(true).open(&lost).unwrap().set_modified(old).unwrap();
    let swept = home.run(&["attachments", "sweep", "--json"]).json();
    assert_eq!((swept["total"].as_u64(), swept["put_aside"].as_array().unwrap().len()), (Some(2), 1), "{swept}");
    assert!(!lost.exists());
    assert_eq!(store.objects("one/quarantine"), [77]);

    // A recording in quarantine is moved back when it is played.
    let aside = bucket.join("quarantine/2025-01-22").join(folder.file_name().unwrap());
    std::fs::create_dir_all(&aside).unwrap();
    std::fs::rename(&known, aside.join(known.file_name().unwrap())).unwrap();
    let play = server.request(Method::GET, &audio).bearer_auth(&token);
    assert!(body(play, StatusCode::OK).await == wav(1000, 1));
    assert!(known.exists());
    assert!(home.run(&["backup", "whole.tar"]).ok().contains("and 1 attachment"));

    // A deleted recording is also deleted from quarantine.
    std::fs::rename(&known, aside.join(known.file_name().unwrap())).unwrap();
    let entry = audio.strip_suffix("/audio").unwrap();
    body(server.request(Method::DELETE, entry).bearer_auth(&token), StatusCode::OK).await;
    assert_eq!(store.objects("one"), [77]);
    server.stop();
}
