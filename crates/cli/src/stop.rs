//! The signals to stop: SIGTERM and Ctrl-C.

use std::future::{Future, pending};
use std::io;
use std::pin::pin;

use sotto_storage::transfer::Observer;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// While this exists, the two signals do not end the process.
pub struct StopSignal(io::Result<(Signal, Signal)>);

/// The signal that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// SIGINT: Ctrl-C at a terminal.
    Interrupt,
    /// SIGTERM: from a service manager.
    Terminate,
}

impl StopSignal {
    pub fn listen() -> Self {
        let interrupt = signal(SignalKind::interrupt());
        Self(interrupt.and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?))))
    }

    /// Waits for one of the signals.
    pub async fn wait(&mut self) -> StopReason {
        match &mut self.0 {
            Ok((interrupt, terminate)) => tokio::select! {
                _ = interrupt.recv() => StopReason::Interrupt,
                _ = terminate.recv() => StopReason::Terminate,
            },
            // Without handlers the signals kill the process, which loses nothing that was confirmed to a client.
            Err(_) => pending().await,
        }
    }
}

/// Runs `work` to its end or, after a signal, to the next point where it can stop.
pub async fn until_stopped<T>(observer: &Observer, work: impl Future<Output = T>) -> T {
    let mut stop = StopSignal::listen();
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => done,
        _ = stop.wait() => {
            observer.stop();
            work.await
        }
    }
}
