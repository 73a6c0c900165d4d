//! Tests of the database's files: their modes, and that deleted content disappears from their bytes.

use std::collections::HashSet;
use std::path::Path;

use sotto_domain::account::Administered;
use sotto_domain::entry::{Deleted, EntryPatch};
use sotto_domain::secret_tag::Stored;
use sotto_domain::storage::Storage;

use super::Sqlite;
use crate::conformance::world::{World, at, at_once, sealed};
use crate::testing::wait_until;

/// The length of a piece that reveals a word. The index omits the beginning that a word shares with the previous one.
const PIECE: usize = 7;

/// A word of 14 letters for each number. No piece of one occurs in another.
fn word(number: usize) -> String {
    let mut state = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    };
    (0..14).map(|_| letter()).collect()
}

/// Returns the words that have a piece in the files.
fn found_in_files(path: &Path, words: &[String]) -> Vec<String> {
    let files = ["", "-wal", "-shm"].map(|end| format!("{}{end}", path.display()));
    let bytes: Vec<u8> = files.iter().filter_map(|file| std::fs::read(file).ok()).flatten().collect();
    let bytes = bytes.to_ascii_lowercase();
    let pieces: HashSet<_> = bytes.windows(PIECE).collect();
    words.iter().filter(|word| word.as_bytes().windows(PIECE).any(|piece| pieces.contains(piece))).cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_words_are_nowhere_in_the_files() {
    let world = World::sqlite().await;
    let (user, leaving) = (world.user().await, world.user().await);
    let stored = at_once(400, |number| {
        let storage = world.storage.clone();
        let mut new = world.new_entry(&format!("An ordinary day {number}. {}", word(number)));
        let owner = if number % 4 == 3 { leaving } else { user };
        new.body.title = Some(word(number));
        new.tags = vec![world.named(&word(number))];
        async move { storage.entries().create(owner, &new, None, at(0)).await.map(|_| new.id) }
    });
    let ids: Vec<_> = stored.await.into_iter().map(Result::unwrap).collect();
    let path = world.file().to_owned();
    let all: Vec<_> = (0..400).map(word).collect();
    // A checkpoint can move words from one file to the other between two reads.
    wait_until("all stored words are in the files", async || found_in_files(&path, &all) == all).await;

    let rewrite = EntryPatch { title: Some(None), content: Some("Nothing.".into()), ..EntryPatch::default() };
    for (number, id) in ids.iter().enumerate() {
        match number % 4 {
            0 => assert_eq!(world.entries().delete(user, *id, None).await.unwrap(), Deleted::Deleted(vec![])),
            1 => drop(world.entries().update(user, *id, &rewrite, None, at(1)).await.unwrap()),
            _ => {}
        }
    }
    assert_eq!(world.users().delete(leaving).await.unwrap(), Administered::Done(()));
    for tag in world.tags().list(user, None, 1000).await.unwrap() {
        assert!(world.tags().delete(user, tag.id).await.unwrap());
    }
    let (deleted, kept): (Vec<_>, Vec<_>) = (0..400).partition(|number| number % 4 != 2);
    let words = |numbers: Vec<usize>| numbers.into_iter().map(word).collect::<Vec<_>>();
    let (deleted, kept) = (words(deleted), words(kept));

    // The index and the log are erased in the next quiet moment.
    wait_until("the deleted words are erased", async || found_in_files(&path, &deleted).is_empty()).await;
    assert_eq!(found_in_files(&path, &kept), kept);
    world.close().await;
    assert_eq!(found_in_files(&path, &deleted), [""; 0]);
}

/// Without waiting: sealing returns only when the plain text is erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sealed_words_are_nowhere_in_the_files() {
    let world = World::sqlite().await;
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let stored = at_once(200, |number| {
        let storage = world.storage.clone();
        let mut new = world.new_entry(&format!("An ordinary day {number}. {}", word(number)));
        (new.body.title, new.body.audio_url) = (Some(word(1000 + number)), Some(format!("/{}", word(2000 + number))));
        async move { storage.entries().create(user, &new, None, at(0)).await.map(|_| new.id) }
    });
    let ids: Vec<_> = stored.await.into_iter().map(Result::unwrap).collect();
    // Every second entry has an earlier revision with other words.
    for (number, id) in ids.iter().enumerate().filter(|(number, _)| number % 2 == 0) {
        let patch = EntryPatch { content: Some(word(3000 + number)), ..EntryPatch::default() };
        world.entries().update(user, *id, &patch, None, at(1)).await.unwrap();
    }
    let path = world.file().to_owned();
    let words = |numbers: std::ops::Range<usize>| {
        let of = |number| [number, 1000 + number, 2000 + number, 3000 + number].map(word);
        numbers.flat_map(of).collect::<Vec<_>>()
    };
    let titles: Vec<_> = (1000..1200).map(word).collect();
    assert_eq!(found_in_files(&path, &titles), titles, "as long as they are stored, they are found");

    let seal = |number: usize| {
        let (storage, id) = (world.storage.clone(), ids[number]);
        let revision = if number.is_multiple_of(2) { 2 } else { 1 };
        async move { storage.sealed_entries().seal(user, id, &sealed(tag, 1), revision, at(2)).await.unwrap() }
    };
    assert!(matches!(seal(0).await, Stored::Stored(_)));
    assert_eq!(found_in_files(&path, &words(0..1)), [""; 0]);
    assert!(matches!(seal(1).await, Stored::Stored(_)));
    assert_eq!(found_in_files(&path, &words(0..2)), [""; 0]);
    for outcome in at_once(18, |number| seal(number + 2)).await {
        assert!(matches!(outcome, Stored::Stored(_)));
    }
    assert_eq!(found_in_files(&path, &words(0..20)), [""; 0]);
    assert_eq!(found_in_files(&path, &titles), titles[20..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_delays_erasure_and_loses_nothing() {
    let world = World::sqlite().await;
    let user = world.user().await;
    let entry = world.write(user, &word(1)).await;
    let path = world.file().to_owned();
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM journal_entries").unwrap();
    let sealed = world.seal(user, entry.id).await;
    assert_eq!(world.sealed_entries().get(user, entry.id).await.unwrap(), Some(sealed));
    assert_eq!(found_in_files(&path, &[word(1)]), [word(1)], "the reader still sees it");
    drop(reader);
    wait_until("the sealed word is erased", async || found_in_files(&path, &[word(1)]).is_empty()).await;
}

#[tokio::test]
async fn the_log_is_truncated_in_a_quiet_moment() {
    let world = World::sqlite().await;
    world.write(world.user().await, "text").await;
    let log = format!("{}-wal", world.file().display());
    assert!(std::fs::metadata(&log).unwrap().len() > 0);
    wait_until("the log is truncated", async || std::fs::metadata(&log).unwrap().len() == 0).await;
}

#[tokio::test]
async fn only_its_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("new.db");
    let storage = Sqlite::open(&path).await.unwrap();
    storage.ping().await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
    }
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_rejected() {
    use sotto_domain::storage::StorageError;
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("letter.txt");
    let letter = "Dear diary, ".repeat(1000);
    std::fs::write(&path, &letter).unwrap();
    assert!(matches!(Sqlite::open(&path).await, Err(StorageError::Corrupt(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), letter, "and left as it is");
    let missing = Sqlite::open(&folder.path().join("no/such/folder/x.db")).await;
    assert!(matches!(missing, Err(StorageError::Unavailable(why)) if why.contains("no/such/folder")));
}

/// Four readers take turns without a pause, so that at least one is always active.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_cannot_make_the_log_grow_without_limit() {
    let world = World::sqlite().await;
    let user = world.user().await;
    let mut new = world.new_entry(&"An ordinary day. ".repeat(4000));
    new.tags = vec![world.named("long")];
    world.store(user, &new).await;
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (storage, done) = (world.storage.clone(), done.clone());
            tokio::spawn(async move {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    storage.entries().list(user, &crate::conformance::world::up_to(100)).await.unwrap();
                }
            })
        })
        .collect();
    let log = world.file().with_extension("db-wal");
    let (mut longest, mut written) = (0, 0);
    for number in 0..200 {
        let mut new = world.new_entry(&format!("{number} {}", "An ordinary day. ".repeat(4000)));
        new.body.title = Some(word(number));
        written += new.body.content.len() as u64;
        world.store(user, &new).await;
        longest = longest.max(std::fs::metadata(&log).unwrap().len());
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(written > 8 * super::upkeep::LOG_LIMIT, "{written} bytes were written");
    // The log is checked after a change is in it, and on a busy machine a reader may take longer than the writer waits
    // for it.
    assert!(longest < written / 2, "the log grew to {longest} bytes, although only {written} bytes were written");
}
