//! Tests of client and server against each other, against the RFC's vectors, and against the npm package of the
//! browser.
#![cfg(all(feature = "server", feature = "client"))]

mod example;
mod exchange;
mod interop;
mod messages;
mod recording;
mod recovery;
mod vault;
mod vectors;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use sotto_domain::{EntryId, Random, SecretTagId, UserId};
use uuid::Uuid;

use crate::Scope;
use crate::client::{ExportKey, LoggedIn, Login, Phrase, Registered, Registration};
use crate::message::RegistrationRecord;
use crate::server::{LoginSession, PendingLogin, SealingKey, ServerKeys};

/// Deterministic pseudorandom bytes.
struct Seeded(AtomicU64);

impl Seeded {
    const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed << 32))
    }

    fn below(&self, limit: usize) -> usize {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % limit as u64).unwrap()
    }
}

impl Random for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(64) {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            chunk.copy_from_slice(&digest::digest(&digest::SHA512, &count.to_be_bytes()).as_ref()[..chunk.len()]);
        }
    }
}

/// Plays back recorded bytes in the order in which they are drawn. All must be used.
struct Tape(Mutex<VecDeque<u8>>);

impl Tape {
    fn new(parts: &[&[u8]]) -> Self {
        Self(Mutex::new(parts.concat().into()))
    }

    fn is_used_up(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

impl Random for Tape {
    fn fill(&self, bytes: &mut [u8]) {
        let mut tape = self.0.lock().unwrap();
        bytes.fill_with(|| tape.pop_front().expect("more was drawn than was recorded"));
    }
}

/// The bytes 00, 01, 02, …, as in the example of the documentation.
struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes()[0]);
    }
}

fn scope(user: u128, tag: u128) -> Scope {
    Scope { user: UserId(Uuid::from_u128(user)), tag: SecretTagId(Uuid::from_u128(tag)) }
}

fn entry(id: u128) -> EntryId {
    EntryId(Uuid::from_u128(id))
}

fn phrase(text: &str) -> Phrase {
    Phrase::new(text).unwrap()
}

fn register(keys: &ServerKeys, scope: Scope, text: &str, random: &dyn Random) -> Registered {
    let (request, registration) = Registration::start(scope, phrase(text), random).unwrap();
    let response = keys.register(scope, &request).unwrap();
    registration.finish(&response, random).unwrap()
}

/// A whole login with the right phrase, which compares the session keys of both sides.
fn log_in(keys: &ServerKeys, scope: Scope, record: &RegistrationRecord, text: &str, random: &dyn Random) -> ExportKey {
    let (request, login) = Login::start(scope, phrase(text), random).unwrap();
    let (response, pending) = keys.start_login(scope, Some(record), &request, random).unwrap();
    let LoggedIn { finish, session_key, export_key, server } = login.finish(&response, random).unwrap();
    assert!(pending.finish(&finish).unwrap() == session_key);
    assert_eq!(server, keys.fingerprint());
    export_key
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|place| u8::from_str_radix(&text[place..place + 2], 16).unwrap()).collect()
}
