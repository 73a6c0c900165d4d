//! Waits of tests. None can hang: each has a bound, and its failure says what the test has waited for.

use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Much longer than anything that a test waits for, even on a busy machine.
const BOUND: Duration = Duration::from_mins(5);
const POLL_EVERY: Duration = Duration::from_millis(2);

/// Polls until a condition holds.
pub async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    wait_for(what, async || holds().await.then_some(())).await;
}

/// Polls until there is a value, and returns the value.
pub async fn wait_for<T>(what: &str, mut value: impl AsyncFnMut() -> Option<T>) -> T {
    let poll = async {
        loop {
            if let Some(value) = value().await {
                return value;
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    };
    within_bound(what, poll).await
}

/// The result of a future.
pub async fn within_bound<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(BOUND, future).await;
    outcome.unwrap_or_else(|_| waited_in_vain(what))
}

/// Like [`wait_until`], for tests without a runtime.
pub fn wait_until_blocking(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > BOUND {
            waited_in_vain(what);
        }
        std::thread::sleep(POLL_EVERY);
    }
}

/// The result of work that blocks, such as reading from a pipe.
pub fn within_bound_blocking<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    // If the wait has ended, nobody receives the result.
    let thread = std::thread::spawn(move || sender.send(work()).is_ok());
    match receiver.recv_timeout(BOUND) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => waited_in_vain(what),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(_) => unreachable!("the sender is dropped only by a panic"),
        },
    }
}

#[expect(clippy::panic, reason = "only tests use this, and a test that waits in vain has failed")]
fn waited_in_vain(what: &str) -> ! {
    panic!("waited {} s for this: {what}", BOUND.as_secs())
}
