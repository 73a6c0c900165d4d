//! Maintenance by the writer thread. In quiet moments, and when a caller waits for it, deleted content is erased from
//! the files. Under load, the write-ahead log is kept short.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connection::BUSY_TIMEOUT;

/// A moment without work for this long is a quiet one.
const QUIET_AFTER: Duration = Duration::from_secs(2);

/// Erasing deleted words rewrites the whole index, so it is not done after every change.
const ERASE_EVERY: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_mins(10) };

/// The pages of the index that one step in a quiet moment writes. Between steps, new work takes precedence.
const PAGES_PER_STEP: i32 = 64;

/// The pages per step while a caller waits. Each step waits for the disk, so fewer steps are faster.
const PAGES_PER_URGENT_STEP: i32 = 4096;

/// How long to wait for readers in that case. Sotto's readers are done in milliseconds; a reader in another program
/// must not block writers for longer.
const READER_TIMEOUT: Duration = Duration::from_secs(1);

/// The length of the write-ahead log in bytes beyond which a commit is followed by waiting for readers. SQLite copies
/// the log into the file by itself, but restarts the log only when there is no reader, which never happens under
/// constant load.
pub const LOG_LIMIT: u64 = if cfg!(test) { 1 << 20 } else { 32 << 20 };

/// The pending maintenance.
pub struct Upkeep {
    log: PathBuf,
    /// The length of the log in bytes at which [`Upkeep::bound_log`] next truncates it.
    bound_at: u64,
    /// Whether the index may contain words of deleted entries. True at start, because an earlier process may have left
    /// some.
    stale_words: bool,
    erased_at: Option<Instant>,
    /// Whether the write-ahead log is empty.
    log_is_truncated: bool,
}

impl Upkeep {
    /// The state when the writer starts.
    pub fn new(connection: &Connection) -> Self {
        let log = PathBuf::from(format!("{}-wal", connection.path().unwrap_or_default()));
        Self { log, bound_at: LOG_LIMIT, stale_words: true, erased_at: None, log_is_truncated: false }
    }

    /// Records that changes were written.
    pub fn after_work(&mut self) {
        self.stale_words = true;
        self.log_is_truncated = false;
    }

    /// Truncates a long log after a commit. Readers that start while this waits use only the file, so the wait is for
    /// earlier readers only. If one of them stays, as that of a backup does, the log may grow by the same length again
    /// before the next attempt.
    pub fn bound_log(&mut self, connection: &Connection) {
        let length = fs::metadata(&self.log).map_or(0, |log| log.len());
        if length >= self.bound_at {
            self.log_is_truncated = truncate_log(connection, READER_TIMEOUT);
            self.bound_at = if self.log_is_truncated { LOG_LIMIT } else { length + LOG_LIMIT };
        }
    }

    /// How long the writer waits for work before maintenance is due.
    pub fn time_until_maintenance(&self) -> Duration {
        let until_erasing =
            self.erased_at.map_or(QUIET_AFTER, |at| ERASE_EVERY.saturating_sub(at.elapsed()).max(QUIET_AFTER));
        match (self.log_is_truncated, self.stale_words) {
            (false, _) => QUIET_AFTER,
            (true, true) => until_erasing,
            (true, false) => Duration::MAX,
        }
    }

    /// Does the maintenance that is due, until there is new work.
    pub fn run(&mut self, connection: &Connection, has_work: impl Fn() -> bool) {
        if self.stale_words && self.erased_at.is_none_or(|at| at.elapsed() >= ERASE_EVERY) {
            match erase_stale_words(connection, PAGES_PER_STEP, &has_work) {
                Ok(true) => (self.stale_words, self.erased_at) = (false, Some(Instant::now())),
                Ok(false) => return,
                Err(error) => {
                    self.erased_at = Some(Instant::now());
                    tracing::warn!(%error, "the search index could not be cleaned");
                }
            }
        }
        self.log_is_truncated = truncate_log(connection, Duration::ZERO);
    }

    /// Does all maintenance at once, because a caller waits for it. Other writers wait too. Parts that cannot be done
    /// now are due in the next quiet moment.
    pub fn erase_now(&mut self, connection: &Connection) {
        match erase_stale_words(connection, PAGES_PER_URGENT_STEP, || false) {
            Ok(_) => (self.stale_words, self.erased_at) = (false, Some(Instant::now())),
            Err(error) => tracing::warn!(%error, "words of a sealed entry may still be in the search index"),
        }
        self.log_is_truncated = truncate_log(connection, READER_TIMEOUT);
        if !self.log_is_truncated {
            tracing::warn!(
                "text of a sealed entry may still be in the write-ahead log, because another process reads the database"
            );
        }
    }
}

/// Merges the index into one segment, which removes entries that are marked as deleted
/// (<https://www.sqlite.org/fts5.html#the_merge_command>). Returns false if new work interrupted the merge.
fn erase_stale_words(connection: &Connection, step: i32, has_work: impl Fn() -> bool) -> rusqlite::Result<bool> {
    let mut merge = connection
        .prepare_cached("INSERT INTO journal_entries_fts (journal_entries_fts, rank) VALUES ('merge', ?1)")?;
    // A negative number starts a merge of all segments into one.
    let mut pages = -step;
    loop {
        let before = connection.total_changes();
        merge.execute([pages])?;
        // The command itself counts as one change; a higher count means that pages were written.
        if connection.total_changes() - before < 2 {
            return Ok(true);
        }
        if has_work() {
            return Ok(false);
        }
        pages = step;
    }
}

/// Copies the write-ahead log into the file and truncates it, so that deleted content disappears from the log as well.
/// Waits up to `reader_timeout` for readers. Returns false if one still prevents the truncation; the next quiet moment
/// tries again.
fn truncate_log(connection: &Connection, reader_timeout: Duration) -> bool {
    let truncate = || {
        connection.busy_timeout(reader_timeout)?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0).map(|busy: bool| !busy))
    };
    let is_truncated = truncate().unwrap_or_else(|error| {
        tracing::debug!(%error, "the write-ahead log could not be copied into the database file");
        false
    });
    if let Err(error) = connection.busy_timeout(BUSY_TIMEOUT) {
        tracing::warn!(%error, "the busy timeout could not be set");
    }
    is_truncated
}
