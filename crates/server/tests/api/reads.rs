//! Slow reads of one user.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use sotto_domain::entry::NewEntry;
use sotto_domain::{Clock, EntryId, UserId, Zone};
use sotto_storage::testing::wait_until;

use crate::on_both_engines;
use crate::server::{Person, Server};
use crate::vault::new_id;

on_both_engines!(slow_searches_of_one_user_do_not_delay_another);

/// As many requests as one user may have under way.
const SEARCHES: usize = 16;
/// Each search has these words, with which thousands of words in the entries begin.
const BEGINNINGS: [&str; 12] = ["aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh", "ii", "jj", "kk", "ll"];

/// Writes entries that take long to search. No entry has all words that [`BEGINNINGS`] can find.
async fn write_many_words(person: &Person<'_>) {
    let user = UserId(person.id.parse().unwrap());
    let storage = &person.server.app.storage;
    let entry = |n: u32| async move {
        let word = |k: u32| format!("{}{n:x}x{k:x}", BEGINNINGS[(k % 11) as usize]);
        let text = (0..2000).map(word).collect::<Vec<_>>().join(" ");
        let id = EntryId(new_id());
        let new = NewEntry::parse(id, None, text, None, "2025-01-22T10:00:00Z", Ok(Zone::utc()), vec![]).unwrap();
        storage.entries().create(user, &new, None, person.server.clock.now()).await.unwrap();
    };
    join_all((0..200).map(entry)).await;
}

async fn slow_searches_of_one_user_do_not_delay_another(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    ben.write("Beans", "2025-01-22T10:00:00Z", &[]).await;
    write_many_words(&ada).await;
    let ended = Arc::<AtomicUsize>::default();
    let searches: Vec<_> = (0..SEARCHES)
        .map(|_| {
            let request = ada.request(Method::GET, &format!("/api/journals/?q={}", BEGINNINGS.join("+")));
            let ended = ended.clone();
            tokio::spawn(async move {
                let status = request.send().await.unwrap().status();
                ended.fetch_add(1, Ordering::SeqCst);
                // Those that have waited too long are refused.
                assert!([StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&status), "{status}");
            })
        })
        .collect();
    wait_until("the first search has ended", async || ended.load(Ordering::SeqCst) > 0).await;
    ben.get("/api/journals/").await.expect(StatusCode::OK);
    let before = ended.load(Ordering::SeqCst);
    assert!(before < SEARCHES / 2, "the list came after {before} of the searches");
    for search in searches {
        search.await.unwrap();
    }
}
