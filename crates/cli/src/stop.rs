//! Being asked to stop: SIGTERM, or Ctrl-C.

use std::future::{Future, pending};
use std::io;
use std::pin::pin;

use sotto_storage::transfer::Watch;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// From its making on, the two signals do not end the process.
pub struct StopSignal(io::Result<(Signal, Signal)>);

impl StopSignal {
    pub fn listen() -> Self {
        let interrupt = signal(SignalKind::interrupt());
        Self(interrupt.and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?))))
    }

    /// Returns when one of them has come.
    pub async fn wait(&mut self) {
        match &mut self.0 {
            Ok((interrupt, terminate)) => tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            },
            // Without handlers the signals end the process the hard way, which loses nothing that was answered.
            Err(_) => pending().await,
        }
    }
}

/// Does the work to its end, or, when asked to stop, to the next point where it can be left.
pub async fn until_stopped<T>(watch: &Watch, work: impl Future<Output = T>) -> T {
    let mut stop = StopSignal::listen();
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => done,
        () = stop.wait() => {
            watch.stop();
            work.await
        }
    }
}
