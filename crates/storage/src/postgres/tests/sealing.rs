//! What is left of an entry in the tables when it has come under a secret tag.

use sotto_domain::EntryId;
use sotto_domain::SecretTagId;
use sotto_domain::entry::{EntryPatch, NewEntry};
use sotto_domain::secret_tag::{Lock, NewSecretTag, Stored};
use sotto_domain::storage::{Entries, SealedEntries, SecretTags};
use uuid::Uuid;

use super::{Journal, new_entry, now};
use crate::conformance::world::sealed;

const WORDS: [&str; 4] = ["whispering", "clandestine", "earliest", "recording"];

impl Journal {
    /// Every row of every table, with all of its columns as text.
    async fn dump(&self) -> String {
        let tables = "SELECT quote_ident(table_name) FROM information_schema.tables
            WHERE table_schema = 'public' AND table_type = 'BASE TABLE'";
        let mut dump = String::new();
        for table in self.admin.query(tables, &[]).await.unwrap() {
            let table: String = table.get(0);
            for row in self.admin.query(&format!("SELECT t::text FROM {table} t"), &[]).await.unwrap() {
                dump += row.get(0);
                dump += "\n";
            }
        }
        dump
    }
}

#[tokio::test]
async fn no_table_has_a_word_of_a_sealed_entry() {
    let journal = Journal::new().await;
    let (storage, user) = (&journal.storage, journal.user);
    let tag = SecretTagId(Uuid::from_u128(7));
    let new = NewSecretTag {
        id: tag,
        lock: Lock { record: vec![1; 192], wrapped_master_key: vec![1; 61], server_keys: [1; 16] },
        metadata: vec![1; 61],
        recovery_wrap: vec![1; 61],
        recovery_verifier: vec![1; 32],
    };
    SecretTags::create(storage, user, &new, now()).await.unwrap();
    let mut entry: NewEntry = new_entry(8, "earliest");
    entry.body.title = Some("clandestine".into());
    entry.body.audio_url = Some("/recording".into());
    Entries::create(storage, user, &entry, now()).await.unwrap();
    let dump = journal.dump().await;
    assert!(["earliest", "clandestine", "recording"].iter().all(|word| dump.contains(word)), "{dump}");
    let patch = EntryPatch { content: Some("whispering".into()), ..EntryPatch::default() };
    Entries::update(storage, user, entry.id, &patch, None, now()).await.unwrap();

    let id: EntryId = entry.id;
    let stored = SealedEntries::seal(storage, user, id, &sealed(tag, 5), 2, now()).await.unwrap();
    assert!(matches!(stored, Stored::Stored(_)), "{stored:?}");
    let dump = journal.dump().await;
    for word in WORDS {
        assert!(!dump.contains(word), "{word}: {dump}");
    }
    assert!(dump.contains(&"05".repeat(49)), "the dump has what is sealed");
}
