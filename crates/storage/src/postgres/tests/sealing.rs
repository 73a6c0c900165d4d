//! The data of an entry that remains in the tables after it has moved in.

use sotto_domain::entry::{EntryPatch, NewEntry};
use sotto_domain::secret_tag::{NewLogin, NewSecretTag, Stored};
use sotto_domain::storage::{Entries, OpaqueSessions, SealedEntries, SecretTags};
use sotto_domain::{EntryId, OpaqueSessionId, SecretTagId};
use uuid::Uuid;

use super::{Journal, new_entry, now};
use crate::conformance::world::{lock, sealed};

const WORDS: [&str; 4] = ["whispering", "clandestine", "earliest", "recording"];

impl Journal {
    async fn secret_tag(&self) -> SecretTagId {
        let id = SecretTagId(Uuid::from_u128(7));
        let (metadata, recovery_wrap, recovery_verifier) = (vec![1; 61], vec![1; 61], vec![1; 32]);
        let new = NewSecretTag { id, lock: lock(1), metadata, recovery_wrap, recovery_verifier };
        SecretTags::create(&self.storage, self.user, &new, None, now()).await.unwrap();
        id
    }

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
async fn no_table_contains_a_word_of_a_sealed_entry() {
    let journal = Journal::new().await;
    let (storage, user) = (&journal.storage, journal.user);
    let tag = journal.secret_tag().await;
    let mut entry: NewEntry = new_entry(8, "earliest");
    entry.body.title = Some("clandestine".into());
    entry.body.audio_url = Some("/recording".into());
    Entries::create(storage, user, &entry, None, now()).await.unwrap();
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

#[tokio::test]
async fn no_table_contains_the_state_of_a_finished_login() {
    let journal = Journal::new().await;
    let (sessions, user, tag): (&dyn OpaqueSessions, _, _) =
        (&journal.storage, journal.user, journal.secret_tag().await);
    let expires_at = now().plus_seconds(120);
    let logins = [11, 12].map(|id| OpaqueSessionId(Uuid::from_u128(id)));
    for id in logins {
        let login = NewLogin { id, user_id: user, tag, state: vec![0xab; 157], expires_at };
        sessions.start(&login, now()).await.unwrap();
    }
    assert_eq!(journal.dump().await.matches(&"ab".repeat(157)).count(), 2);
    assert!(sessions.take(user, logins[0], now()).await.unwrap().is_some());
    assert!(sessions.end(user, logins[1]).await.unwrap());
    assert!(!journal.dump().await.contains("abab"));
}
