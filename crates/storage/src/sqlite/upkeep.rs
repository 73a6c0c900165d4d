//! What the writer does in quiet moments, and when somebody waits for it: it lets the files forget.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connection::BUSY_TIMEOUT;

/// After so long without work the moment counts as quiet.
const QUIET: Duration = Duration::from_secs(2);

/// Erasing words writes the whole index anew, so it is not done after every change.
const ERASE_EVERY: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_mins(10) };

/// Pages of the index that are written in one step of quiet upkeep; between steps, work goes first.
const PAGES: i32 = 64;

/// The same when somebody waits: each step waits for the disk, so few are better.
const PAGES_IN_A_HURRY: i32 = 4096;

/// How long readers are waited for then. Ours are done in milliseconds; for another program's, nobody shall be held up.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is still to be done.
pub struct Upkeep {
    /// Whether the index may hold words of entries that are gone. It may at start: nobody knows what was left behind.
    stale_words: bool,
    erased_at: Option<Instant>,
    /// Whether the write-ahead log holds anything.
    log_is_cut: bool,
}

impl Upkeep {
    /// At the start of the writer.
    pub fn new() -> Self {
        Self { stale_words: true, erased_at: None, log_is_cut: false }
    }

    /// Notes that something was written.
    pub fn after_work(&mut self) {
        self.stale_words = true;
        self.log_is_cut = false;
    }

    /// How long to wait for work before there is upkeep to do.
    pub fn patience(&self) -> Duration {
        let until_erasing = self.erased_at.map_or(QUIET, |at| ERASE_EVERY.saturating_sub(at.elapsed()).max(QUIET));
        match (self.log_is_cut, self.stale_words) {
            (false, _) => QUIET,
            (true, true) => until_erasing,
            (true, false) => Duration::MAX,
        }
    }

    /// Does what is due, until there is work again.
    pub fn run(&mut self, connection: &Connection, has_work: impl Fn() -> bool) {
        if self.stale_words && self.erased_at.is_none_or(|at| at.elapsed() >= ERASE_EVERY) {
            match erase_stale_words(connection, PAGES, &has_work) {
                Ok(true) => (self.stale_words, self.erased_at) = (false, Some(Instant::now())),
                Ok(false) => return,
                Err(error) => {
                    self.erased_at = Some(Instant::now());
                    tracing::warn!(%error, "the search index could not be cleaned");
                }
            }
        }
        self.log_is_cut = cut_log(connection, Duration::ZERO);
    }

    /// Does all of it at once, because somebody waits for it; others who write wait as well. What cannot be done now is
    /// due again in the next quiet moment.
    pub fn forget(&mut self, connection: &Connection) {
        match erase_stale_words(connection, PAGES_IN_A_HURRY, || false) {
            Ok(_) => (self.stale_words, self.erased_at) = (false, Some(Instant::now())),
            Err(error) => tracing::warn!(%error, "words of a sealed entry may still be in the search index"),
        }
        self.log_is_cut = cut_log(connection, PATIENCE);
        if !self.log_is_cut {
            tracing::warn!("text of a sealed entry may still be in the write-ahead log: somebody reads the database");
        }
    }
}

/// Merges the index into one piece, which drops what is marked as gone
/// (<https://www.sqlite.org/fts5.html#the_merge_command>). False if it was interrupted by work.
fn erase_stale_words(connection: &Connection, step: i32, has_work: impl Fn() -> bool) -> rusqlite::Result<bool> {
    let mut merge = connection
        .prepare_cached("INSERT INTO journal_entries_fts (journal_entries_fts, rank) VALUES ('merge', ?1)")?;
    // Negative: from now on, all pieces are to become one.
    let mut pages = -step;
    loop {
        let before = connection.total_changes();
        merge.execute([pages])?;
        // The command itself counts as one change; more means that pages were written.
        if connection.total_changes() - before < 2 {
            return Ok(true);
        }
        if has_work() {
            return Ok(false);
        }
        pages = step;
    }
}

/// Folds the write-ahead log into the file and cuts it off, so that what was deleted is gone from it as well. Waits
/// so long for readers: if one is in the way after that, this is false and the next quiet moment will do.
fn cut_log(connection: &Connection, patience: Duration) -> bool {
    let cut = || {
        connection.busy_timeout(patience)?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0).map(|busy: bool| !busy))
    };
    let is_cut = cut().unwrap_or_else(|error| {
        tracing::debug!(%error, "the write-ahead log could not be folded into the database");
        false
    });
    if let Err(error) = connection.busy_timeout(BUSY_TIMEOUT) {
        tracing::warn!(%error, "the busy timeout could not be set");
    }
    is_cut
}
