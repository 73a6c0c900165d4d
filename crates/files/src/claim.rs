//! A lock file that one process holds exclusively, or several share.
//!
//! The lock is the operating system's (`flock(2)`), which releases it when the process ends, in whatever way it ends.
//! The file stays; without the lock it has no meaning. The lock works between containers on one machine that share the
//! folder, because they share a kernel. Network file systems pass it on to their server (NFS since Linux 2.6.12),
//! unless they are mounted with `nolock` or `local_lock`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use crate::error::{FileError, Result, failed};
use crate::folder::folder_of;
use crate::owner::adopt;

/// How often a waiting process tries to acquire the lock.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A held lock. Dropping it releases the lock.
#[derive(Debug)]
pub struct Claim(File);

impl Claim {
    /// Holds the lock exclusively. `holder` is the name that other processes show in their errors, such as `sotto
    /// serve`.
    ///
    /// # Errors
    /// [`FileError::Held`] if another process holds the lock for longer than `timeout`.
    pub fn alone(path: &Path, holder: &str, timeout: Duration) -> Result<Self> {
        let mut file = acquire(path, timeout, File::try_lock)?;
        let text = format!("{holder} (process {})\n", std::process::id());
        // The text only improves error messages, so failing to write it is not an error.
        let _ =
            file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| file.write_all(text.as_bytes()));
        Ok(Self(file))
    }

    /// Holds the lock together with other processes that share it.
    ///
    /// # Errors
    /// [`FileError::Held`] if a process holds the lock exclusively for longer than `timeout`.
    pub fn shared(path: &Path, timeout: Duration) -> Result<Self> {
        acquire(path, timeout, File::try_lock_shared).map(Self)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Closing the file also releases the lock, but not if a child process has inherited the file.
        let _ = self.0.unlock();
    }
}

fn acquire(
    path: &Path,
    timeout: Duration,
    lock: impl Fn(&File) -> std::result::Result<(), TryLockError>,
) -> Result<File> {
    let mut file = open(path)?;
    let mut waited = Duration::ZERO;
    loop {
        match lock(&file) {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(path, "locked")(error)),
            Err(TryLockError::WouldBlock) if waited >= timeout => {
                return Err(FileError::Held { path: path.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(POLL_INTERVAL);
                waited += POLL_INTERVAL;
            }
        }
    }
}

fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(failed(path, "opened"))?;
    adopt(&file, folder_of(path));
    Ok(file)
}

/// The name of the process that holds the lock exclusively. Processes that share the lock write no name.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    if file.try_lock_shared().is_err() {
        let _ = file.take(200).read_to_string(&mut text);
    }
    match text.trim() {
        "" => "another command".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_WAIT: Duration = Duration::ZERO;

    #[test]
    fn a_claim_is_exclusive_or_shared() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        let alone = Claim::alone(&path, "sotto serve", NO_WAIT).unwrap();
        for refused in [Claim::alone(&path, "other", NO_WAIT), Claim::shared(&path, NO_WAIT)] {
            let sentence = refused.unwrap_err().to_string();
            assert!(sentence.contains(&format!("sotto serve (process {})", std::process::id())), "{sentence}");
        }
        drop(alone);
        let shared = [Claim::shared(&path, NO_WAIT).unwrap(), Claim::shared(&path, NO_WAIT).unwrap()];
        let sentence = Claim::alone(&path, "sotto serve", NO_WAIT).unwrap_err().to_string();
        assert!(sentence.ends_with("held by another command"), "{sentence}");
        drop(shared);
        drop(Claim::alone(&path, "sotto serve", NO_WAIT).unwrap());
        assert!(path.exists(), "a lock file that is removed could be held twice");
    }
}
