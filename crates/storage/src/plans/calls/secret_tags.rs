//! The methods of secret tags, of the sessions that unlock them, and of the entries under them.

use sotto_domain::entry::NewEntry;
use sotto_domain::secret_tag::{DeletedSecretTag, NewLogin, NewSecretTag, PlainBody, Started, Stored};
use sotto_domain::storage::Storage;
use sotto_domain::tag::{NewTag, TagChoice};
use sotto_domain::{OpaqueSessionId, SecretTagId, Zone};

use super::{entry, me, tag};
use crate::conformance::world::{TOKEN, at, lock, sealed};
use crate::plans::population::{RowKind, id};

/// A secret tag of the user who writes the most.
fn secret(n: u32) -> SecretTagId {
    SecretTagId(id(RowKind::SecretTag, 1, n))
}

pub(super) async fn secret_tags(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let secret_tags = storage.secret_tags();
    let (metadata, recovery_wrap, recovery_verifier) = (vec![0; 93], vec![0; 61], vec![0; 32]);
    let new = NewSecretTag { id: secret(90), lock: lock(1), metadata, recovery_wrap, recovery_verifier };
    secret_tags.create(me(), &new, None, at(0)).await.unwrap();
    secret_tags.create(me(), &new, None, at(0)).await.unwrap();
    after("SecretTags.create");
    for (n, is_taken) in [(1, true), (9001, true), (91, false)] {
        assert_eq!(secret_tags.is_taken(me(), secret(n)).await.unwrap(), is_taken);
    }
    after("SecretTags.is_taken");
    secret_tags.get(me(), secret(1)).await.unwrap().unwrap();
    after("SecretTags.get");
    assert_eq!(secret_tags.list(me()).await.unwrap().len(), 3);
    after("SecretTags.list");
    secret_tags.set_lock(me(), secret(90), &lock(2), 1, None, at(1)).await.unwrap().unwrap();
    after("SecretTags.set_lock");
    assert!(secret_tags.set_metadata(me(), secret(90), &[1; 93], at(1)).await.unwrap());
    after("SecretTags.set_metadata");
    assert!(matches!(
        secret_tags.delete(me(), secret(1), false, at(1)).await.unwrap(),
        DeletedSecretTag::HasEntries(_)
    ));
    secret_tags.delete(me(), secret(90), true, at(1)).await.unwrap();
    after("SecretTags.delete");
    assert_eq!(secret_tags.server_keys().await.unwrap(), [[0; 16]]);
    after("SecretTags.server_keys");
}

pub(super) async fn opaque_sessions(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let sessions = storage.opaque_sessions();
    let session = |n: u32| OpaqueSessionId(id(RowKind::OpaqueSession, 1, n));
    for n in [90, 91] {
        let (expires_at, state) = (at(100), vec![0; 157]);
        let login = NewLogin { id: session(n), user_id: me(), tag: secret(1), state, expires_at };
        assert_eq!(sessions.start(&login, at(0)).await.unwrap(), Started::Started);
    }
    after("OpaqueSessions.start");
    sessions.take(me(), session(90), at(1)).await.unwrap().unwrap();
    after("OpaqueSessions.take");
    sessions.unlock(me(), session(90), 1, &TOKEN, at(1)).await.unwrap().unwrap();
    after("OpaqueSessions.unlock");
    sessions.open(me(), session(90), &TOKEN, at(100)).await.unwrap().unwrap();
    after("OpaqueSessions.open");
    assert!(!sessions.list(me(), at(0)).await.unwrap().is_empty());
    after("OpaqueSessions.list");
    for n in [91, 90] {
        assert!(sessions.end(me(), session(n)).await.unwrap());
    }
    after("OpaqueSessions.end");
    sessions.lock(me(), secret(1)).await.unwrap();
    after("OpaqueSessions.lock");
    sessions.end_all(me()).await.unwrap();
    after("OpaqueSessions.end_all");
    // Again as many as expire in a day.
    sessions.delete_expired(at(20 * 3600)).await.unwrap();
    after("OpaqueSessions.delete_expired");
    sessions.correct_dates(at(0)).await.unwrap();
    after("OpaqueSessions.correct_dates");
}

pub(super) async fn sealed_entries(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let entries = storage.sealed_entries();
    let body = sealed(secret(1), 1);
    for _ in 0..2 {
        entries.create(me(), entry(6001), &body, None, at(0)).await.unwrap();
    }
    after("SealedEntries.create");
    entries.get(me(), entry(4001)).await.unwrap().unwrap();
    after("SealedEntries.get");
    for place in [None, Some((at(-100 * 3600), entry(4100)))] {
        assert_eq!(entries.list(me(), secret(1), place, 20).await.unwrap().len(), 20);
    }
    after("SealedEntries.list");
    for expected in [1, 1] {
        entries.replace(me(), entry(4001), &body, expected, at(1)).await.unwrap();
    }
    after("SealedEntries.replace");
    assert!(matches!(entries.seal(me(), entry(20), &body, 1, at(1)).await.unwrap(), Stored::Stored(_)));
    after("SealedEntries.seal");
    let when = "2025-01-22T10:00:00Z";
    let plain = NewEntry::parse(entry(20), None, "text".into(), None, when, Ok(Zone::utc()), vec![]).unwrap();
    let tags = vec![TagChoice::Existing(tag(1)), TagChoice::Named(NewTag::parse(tag(93), "never", None).unwrap())];
    let plain = PlainBody { body: plain.body, tags };
    assert!(matches!(entries.unseal(me(), entry(20), &plain, 2, at(2)).await.unwrap(), Stored::Stored(_)));
    after("SealedEntries.unseal");
    for (n, expected) in [(4002, None), (4003, Some(1)), (4001, Some(1))] {
        entries.delete(me(), entry(n), expected).await.unwrap();
    }
    after("SealedEntries.delete");
}
