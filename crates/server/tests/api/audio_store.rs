//! The attachment store: its owner, the quarantine, and deletion.

use std::fs;
use std::path::PathBuf;

use reqwest::StatusCode;
use serde_json::{Value, json};
use sotto_domain::attachment_store::{Store, StoreMark};
use sotto_domain::{AttachmentId, EntryId, StoreId, UserId};
use sotto_server::attachments::{AttachmentStoreError, SweepOptions, SweepReport};
use sotto_server::system::SystemRandom;
use sotto_server::take_reading;
use sotto_storage::testing::Scratch;
use uuid::Uuid;

use crate::audio::wav;
use crate::on_both_engines;
use crate::server::{ApiResponse, Person, Server, lenient};
use crate::vault::{DATE, text};

on_both_engines!(
    a_store_belongs_to_one_database,
    one_of_two_databases_claims_the_store,
    a_matching_store_of_an_older_version_is_claimed,
    an_emptied_store_is_rejected,
    unknown_objects_are_quarantined_and_deleted_after_a_month,
    a_clock_jump_deletes_nothing,
    quarantined_objects_that_are_needed_are_restored,
    a_sweep_of_many_objects_is_refused_and_raises_an_alert,
    an_older_copy_of_the_database_does_not_sweep,
    a_start_does_not_sweep_and_one_sweep_a_week_is_enough,
    missing_recordings_are_listed,
    freed_objects_are_deleted_soon
);

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

impl Server {
    async fn claim(&self) -> Result<(), AttachmentStoreError> {
        self.claim_for(self).await
    }

    /// This server's store with that server's database.
    async fn claim_for(&self, other: &Self) -> Result<(), AttachmentStoreError> {
        self.app.attachments.claim(&*other.app.storage, &*self.clock, &SystemRandom).await
    }

    async fn sweep(&self, order: SweepOptions) -> SweepReport {
        self.app.attachments.sweep(&*self.app.storage, self.app.now(), order).await.unwrap().unwrap()
    }

    async fn maintain(&self, may_sweep: bool) -> Result<Option<SweepReport>, AttachmentStoreError> {
        self.app.attachments.maintain(&*self.app.storage, self.app.now(), may_sweep).await
    }

    async fn store(&self) -> Store {
        self.app.storage.attachment_store().get().await.unwrap().unwrap()
    }

    fn mark(&self) -> PathBuf {
        self.recordings.path().join("sotto-store.json")
    }

    /// The names of the objects in quarantine, without the day.
    fn aside(&self) -> Vec<String> {
        let mut names = vec![];
        let entries = |folder: PathBuf| {
            let items = fs::read_dir(folder).into_iter().flatten().map(|item| item.unwrap().path());
            items.filter(|path| path.is_dir()).collect::<Vec<_>>()
        };
        for user in entries(self.recordings.path().join("quarantine")).into_iter().flat_map(entries) {
            let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
            let files = fs::read_dir(&user).unwrap().map(|file| file.unwrap().path());
            names.extend(files.map(|file| format!("{}/{}", name(&user), name(&file))));
        }
        names.sort();
        names
    }
}

/// A user with a recording, and the path of its object.
struct Recorded<'a> {
    person: Person<'a>,
    user: UserId,
    entry: Value,
    id: AttachmentId,
}

impl Recorded<'_> {
    fn name(&self) -> String {
        format!("{}/{}", self.user, self.id)
    }

    fn file(&self) -> PathBuf {
        self.person.server.recordings.path().join(self.name())
    }

    /// Quarantines the object, like a sweep with a database that does not know it.
    fn put_aside(&self, day: &str) {
        let aside = self.person.server.recordings.path().join(format!("quarantine/{day}/{}", self.name()));
        fs::create_dir_all(aside.parent().unwrap()).unwrap();
        fs::rename(self.file(), aside).unwrap();
    }
}

async fn recorded<'a>(server: &'a Server, name: &str) -> Recorded<'a> {
    let person = server.person(name).await;
    let user = UserId(person.id.parse().unwrap());
    let entry = person.write("Spoken.", DATE, &[]).await;
    ApiResponse::receive(person.record(&entry, "audio/wav", wav(1000, 1))).await.expect(StatusCode::CREATED);
    let id = EntryId(text(&entry, "id").parse().unwrap());
    let id = server.app.storage.attachments().get(user, id).await.unwrap().unwrap().id;
    Recorded { person, user, entry, id }
}

/// Objects without a row beside those of a user.
fn lose(of: &Recorded<'_>, numbers: std::ops::Range<u128>) -> Vec<PathBuf> {
    let folder = of.file().parent().unwrap().to_owned();
    let paths: Vec<_> = numbers.map(|number| folder.join(Uuid::from_u128(number).to_string())).collect();
    for path in &paths {
        fs::write(path, "lost").unwrap();
    }
    paths
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, AttachmentStoreError>, message: &str) {
    match outcome {
        Err(AttachmentStoreError::Refused(sentence)) => assert!(sentence.contains(message), "{sentence}"),
        other => panic!("not refused: {other:?}"),
    }
}

async fn a_store_belongs_to_one_database(server: Server) {
    let other = Server::start(Scratch::sqlite(), lenient()).await;
    server.claim().await.unwrap();
    let mark = fs::read(server.mark()).unwrap();
    assert_eq!(StoreMark::parse(&mark).unwrap(), StoreMark::new(server.store().await.id, 0));
    server.claim().await.unwrap();
    let ada = recorded(&server, "ada").await;

    // Another database, with or without its own identity, changes nothing.
    refused(server.claim_for(&other).await, "belongs to another database");
    other.claim().await.unwrap();
    refused(server.claim_for(&other).await, "belongs to another database");
    let theirs = &*other.app.storage;
    let order = SweepOptions { even_if_many: true, ..SweepOptions::default() };
    refused(server.app.attachments.sweep(theirs, server.app.now().plus_seconds(DAY), order).await, "another database");
    assert_eq!(fs::read(server.mark()).unwrap(), mark);
    assert!(ada.file().exists());

    // After adoption, the first database has lost the store.
    server.app.attachments.adopt(theirs, &*server.clock, &SystemRandom).await.unwrap();
    server.claim_for(&other).await.unwrap();
    refused(server.claim().await, "belongs to another database");
    refused(server.maintain(true).await, "belongs to another database");
    assert!(server.app.attachments.trouble().unwrap().contains("belongs to another database"));

    // A damaged mark does not count as missing.
    fs::write(server.mark(), "{").unwrap();
    refused(server.claim().await, "sotto-store.json in the store of recordings is damaged");
    assert_eq!(fs::read_to_string(server.mark()).unwrap(), "{");
}

async fn one_of_two_databases_claims_the_store(server: Server) {
    let other = Server::start(Scratch::sqlite(), lenient()).await;
    let (mine, theirs) = tokio::join!(server.claim(), server.claim_for(&other));
    assert_ne!(mine.is_ok(), theirs.is_ok(), "{mine:?} {theirs:?}");
    let (winner, loser) = if mine.is_ok() { (&server, &other) } else { (&other, &server) };
    assert_eq!(StoreMark::parse(&fs::read(server.mark()).unwrap()).unwrap().id, winner.store().await.id);
    refused(server.claim_for(loser).await, "belongs to another database");
}

async fn a_matching_store_of_an_older_version_is_claimed(server: Server) {
    let ada = recorded(&server, "ada").await;
    lose(&ada, 1..2);
    // A second journal, by mistake.
    let other = Server::start(Scratch::sqlite(), lenient()).await;
    refused(server.claim_for(&other).await, "of the 2 recordings in the store, this database does not know 2");
    assert!(!server.mark().exists() && other.app.storage.attachment_store().get().await.unwrap().is_none());
    server.claim().await.unwrap();
    assert_eq!(ada.person.play(&ada.entry).await, wav(1000, 1));

    fs::remove_file(server.mark()).unwrap();
    lose(&ada, 2..20);
    refused(server.claim().await, "of the 20 recordings in the store, this database does not know 19");
}

async fn an_emptied_store_is_rejected(server: Server) {
    let ada = recorded(&server, "ada").await;
    fs::remove_file(ada.file()).unwrap();
    refused(server.claim().await, "is empty, although the database names recordings");
    assert!(!server.mark().exists());
    server.app.attachments.adopt(&*server.app.storage, &*server.clock, &SystemRandom).await.unwrap();
    server.claim().await.unwrap();
}

async fn unknown_objects_are_quarantined_and_deleted_after_a_month(server: Server) {
    server.claim().await.unwrap();
    let ada = recorded(&server, "ada").await;
    // An object without a row, a draft of a killed server, and a foreign file.
    let lost = lose(&ada, 7..8);
    fs::write(ada.file().with_file_name("x#1"), "draft").unwrap();
    fs::write(server.recordings.path().join("README"), "mine").unwrap();
    let user = ada.user;
    let name = |number| format!("{user}/{}", Uuid::from_u128(number));

    let swept = server.sweep(SweepOptions::default()).await;
    assert_eq!((swept.put_aside.len(), swept.drafts), (0, 0), "what is young may be about to get its row");
    server.clock.advance(HOUR + 100);
    let looked = server.sweep(SweepOptions { dry_run: true, ..SweepOptions::default() }).await;
    let lost_id = (user, AttachmentId(Uuid::from_u128(7)));
    assert_eq!((looked.put_aside, looked.drafts), (vec![lost_id], 1));
    assert!(lost[0].exists() && ada.file().with_file_name("x#1").exists(), "a dry run changes nothing");
    let swept = server.sweep(SweepOptions::default()).await;
    assert_eq!((swept.total, swept.put_aside, swept.drafts, swept.refused), (2, vec![lost_id], 1, None));
    assert_eq!(server.aside(), [name(7)]);

    // As a server does each week.
    for week in 1..=4 {
        server.clock.advance(7 * DAY);
        assert_eq!(server.sweep(SweepOptions::default()).await.deleted, [], "week {week}");
    }
    server.clock.advance(7 * DAY);
    let swept = server.sweep(SweepOptions::default()).await;
    assert_eq!((swept.deleted.len(), swept.deleted[0].id, server.aside()), (1, lost_id.1, vec![]));
    assert!(server.recordings.path().join("README").exists() && ada.file().exists());
}

async fn a_clock_jump_deletes_nothing(server: Server) {
    server.claim().await.unwrap();
    let ada = recorded(&server, "ada").await;
    lose(&ada, 7..8);
    server.clock.advance(2 * DAY);
    assert_eq!(server.sweep(SweepOptions::default()).await.put_aside.len(), 1);
    server.clock.advance(3650 * DAY);
    let swept = server.maintain(true).await.unwrap().unwrap();
    assert_eq!((swept.deleted.len(), server.aside().len()), (0, 1));
    // With the right time again, the next sweep is not ten years away.
    server.clock.advance(-3650 * DAY);
    assert!(server.maintain(true).await.unwrap().is_some());
    assert!(server.store().await.next_sweep_at < server.app.now().plus_seconds(8 * DAY));
}

async fn quarantined_objects_that_are_needed_are_restored(server: Server) {
    server.claim().await.unwrap();
    let (ada, bob, eve) =
        (recorded(&server, "ada").await, recorded(&server, "bob").await, recorded(&server, "eve").await);
    for (person, day) in [(&ada, "2025-01-22"), (&bob, "2020-01-22"), (&eve, "2020-01-22")] {
        person.put_aside(day);
    }
    // A listener gets the recording back at once, even in parts.
    let plays = (0..4).map(|_| ada.person.play(&ada.entry));
    for played in futures_util::future::join_all(plays).await {
        assert_eq!(played, wav(1000, 1));
    }
    assert!(ada.file().exists());
    // A sweep restores a recording that nobody plays, however long it was quarantined.
    let swept = server.sweep(SweepOptions::default()).await;
    assert_eq!((swept.brought_back.len(), swept.deleted.len(), swept.missing.len()), (2, 0, 0));
    assert!(bob.file().exists() && eve.file().exists());
    // A recording that its owner deletes leaves the quarantine.
    bob.put_aside("2025-01-22");
    bob.person.delete(&format!("/api/journals/{}", text(&bob.entry, "id"))).await.expect(StatusCode::OK);
    eve.put_aside("2025-01-22");
    eve.person.delete_with("/api/users/me", json!({"password": crate::server::PASSWORD})).await.expect(StatusCode::OK);
    assert_eq!(server.aside(), Vec::<String>::new());
}

async fn a_sweep_of_many_objects_is_refused_and_raises_an_alert(server: Server) {
    server.claim().await.unwrap();
    let ada = recorded(&server, "ada").await;
    let lost = lose(&ada, 1..12);
    server.clock.advance(DAY + 100);
    let swept = server.maintain(true).await.unwrap().unwrap();
    let message = "Of the 12 recordings in the store, the database does not know 11";
    assert!(swept.refused.unwrap().contains(message));
    assert!(lost.iter().all(|path| path.exists()) && server.aside().is_empty());

    take_reading(&server.app).await.unwrap();
    let root = server.superuser("root").await;
    let raised = async || {
        let database = root.get("/api/admin/database").await.expect(StatusCode::OK);
        let alerts = database["alerts"].as_array().unwrap().clone();
        alerts.into_iter().find(|alert| alert["alert"] == "recordings").unwrap()
    };
    let alert = raised().await;
    assert_eq!(alert["raised"], true);
    assert!(text(&alert, "sentence").contains(message), "{alert}");

    // An operator can look first, and then do it.
    let looked = server.sweep(SweepOptions { dry_run: true, ..SweepOptions::default() }).await;
    assert_eq!((looked.put_aside.len(), looked.refused.is_some()), (11, true));
    let swept = server.sweep(SweepOptions { even_if_many: true, ..SweepOptions::default() }).await;
    assert_eq!((swept.put_aside.len(), server.aside().len(), ada.file().exists()), (11, 11, true));
    assert!(server.maintain(true).await.unwrap().is_none());
    assert_eq!(server.app.attachments.trouble(), None);

    // The whole store, although it is small.
    let folder = server.recordings.path().join(Uuid::from_u128(99).to_string());
    let entry = EntryId(text(&ada.entry, "id").parse().unwrap());
    server.app.storage.entries().delete(ada.user, entry, None).await.unwrap();
    assert_eq!(server.app.attachments.delete_freed(&*server.app.storage).await.unwrap(), 1);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(Uuid::from_u128(1).to_string()), "lost").unwrap();
    server.clock.advance(8 * DAY);
    let swept = server.maintain(true).await.unwrap().unwrap();
    assert_eq!((swept.total, swept.put_aside.len(), swept.refused.is_some()), (1, 0, true));
}

async fn an_older_copy_of_the_database_does_not_sweep(server: Server) {
    server.claim().await.unwrap();
    let ada = recorded(&server, "ada").await;
    let lost = lose(&ada, 1..2);
    server.clock.advance(2 * DAY);
    // Another copy has swept.
    let id = server.store().await.id;
    fs::write(server.mark(), StoreMark::new(id, 3).to_text()).unwrap();
    refused(server.maintain(true).await, "another copy of this database has swept");
    let freed = server.app.attachments.delete_freed(&*server.app.storage).await;
    assert_eq!(freed.unwrap(), 0, "nothing is to be deleted");
    assert!(lost[0].exists());
    assert!(server.app.attachments.trouble().unwrap().contains("another copy"));
    // Sweeps continue after an operator has decided.
    server.app.attachments.adopt(&*server.app.storage, &*server.clock, &SystemRandom).await.unwrap();
    server.clock.advance(2 * DAY);
    assert_eq!(server.maintain(true).await.unwrap().unwrap().put_aside.len(), 1);
    assert_eq!(StoreMark::parse(&fs::read(server.mark()).unwrap()).unwrap().sweeps, server.store().await.sweeps);
}

async fn a_start_does_not_sweep_and_one_sweep_a_week_is_enough(server: Server) {
    assert!(server.maintain(true).await.unwrap().is_none(), "without an identity, nothing is done");
    server.claim().await.unwrap();
    let ada = recorded(&server, "ada").await;
    lose(&ada, 1..2);
    server.clock.advance(DAY - HOUR);
    assert!(server.maintain(true).await.unwrap().is_none(), "a new store is not swept within a day");
    server.clock.advance(2 * HOUR);
    assert!(server.maintain(false).await.unwrap().is_none(), "a server that has just been started does not sweep");
    assert_eq!(server.maintain(true).await.unwrap().unwrap().put_aside.len(), 1);
    for _ in 0..3 {
        assert!(server.maintain(true).await.unwrap().is_none(), "one sweep a week, of all servers on a database");
    }
    assert_eq!(server.store().await.sweeps, 1);
    server.clock.advance(7 * DAY);
    assert!(server.maintain(true).await.unwrap().is_some());
    // Of many servers at once, only one begins a sweep.
    let seen = server.store().await;
    let stores = server.app.storage.attachment_store();
    assert!(stores.begin_sweep(&seen, server.app.now(), server.app.now()).await.unwrap());
    assert!(!stores.begin_sweep(&seen, server.app.now(), server.app.now()).await.unwrap());
}

async fn missing_recordings_are_listed(server: Server) {
    server.claim().await.unwrap();
    let (ada, bob) = (recorded(&server, "ada").await, recorded(&server, "bob").await);
    fs::remove_file(ada.file()).unwrap();
    let swept = server.sweep(SweepOptions::default()).await;
    assert_eq!(swept.missing, [(ada.user, ada.id)]);
    assert!(server.maintain(true).await.unwrap().is_none());
    let trouble = server.app.attachments.trouble().unwrap();
    assert!(trouble.contains(&ada.name()) && !trouble.contains(&bob.name()), "{trouble}");
}

async fn freed_objects_are_deleted_soon(server: Server) {
    server.claim().await.unwrap();
    let (ada, bob) = (recorded(&server, "ada").await, recorded(&server, "bob").await);
    // The row is deleted, and the server was killed before it could delete the object.
    server.app.storage.users().delete(ada.user).await.unwrap();
    assert!(ada.file().exists());
    let delete = async || server.app.attachments.delete_freed(&*server.app.storage).await;
    let other = StoreId(Uuid::from_u128(5));
    let mark = fs::read(server.mark()).unwrap();
    fs::write(server.mark(), StoreMark::new(other, 0).to_text()).unwrap();
    refused(delete().await, "another database");
    assert!(ada.file().exists());
    fs::write(server.mark(), mark).unwrap();
    assert_eq!(delete().await.unwrap(), 1);
    assert_eq!(delete().await.unwrap(), 0);
    assert_eq!((ada.file().exists(), bob.file().exists()), (false, true));
}
