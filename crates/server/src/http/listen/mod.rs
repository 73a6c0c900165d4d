//! Accepts connections, limits what they may take, and stops without failing a request.

mod body;
mod clients;
mod limits;
mod occasional;
mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt;

use self::body::WatchedBody;
use self::clients::{Clients, Counted};
use self::limits::HEAD_BYTES;
pub use self::limits::{ConnectionLimits, raise_descriptor_limit};
use self::occasional::Occasional;
use self::stream::WatchedStream;
use super::normalize_path::normalize_path;

/// Time for open requests to finish after the server has stopped accepting connections.
const FINISH_TIMEOUT: Duration = Duration::from_secs(20);

/// The stages of a server from start to stop, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Serving,
    /// Accepts connections, but `/health/ready` returns 503 and each response closes its connection. So a load balancer
    /// moves on before the server refuses a request.
    Draining,
    /// Accepts no connections, and finishes open requests.
    Finishing,
    /// Cuts off the remaining requests.
    Ended,
}

/// Serves a router until the stage is [`Stage::Finishing`].
pub async fn accept(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    mut stage: watch::Receiver<Stage>,
) {
    let places = Arc::new(Semaphore::new(limits.places));
    let mut connections = Connections {
        router,
        limits,
        clients: Clients::default(),
        refusals: Occasional::default(),
        stage: stage.clone(),
        graceful: GracefulShutdown::new(),
    };
    let mut failures = Occasional::default();
    loop {
        let accepted = tokio::select! {
            () = wait_for_stage(&mut stage, Stage::Finishing) => break,
            accepted = async {
                let place = places.clone().acquire_owned().await.ok();
                (listener.accept().await, place)
            } => accepted,
        };
        match accepted {
            (Ok((stream, peer)), place) => connections.start(stream, peer, place),
            (Err(error), _) => {
                // For example out of file descriptors: other connections will close.
                metrics::counter!("sotto_connections_total", "outcome" => "failed").increment(1);
                if let Some(suppressed) = failures.line(Instant::now()) {
                    tracing::warn!(%error, suppressed, "a connection could not be accepted");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    if let Err(error) = connections.start_queued(listener) {
        tracing::debug!(%error, "the kernel's queue of connections could not be emptied");
    }
    tokio::select! {
        finished = tokio::time::timeout(FINISH_TIMEOUT, connections.graceful.shutdown()) => {
            if finished.is_err() {
                tracing::warn!("some requests did not finish in time and were cut off");
            }
        }
        () = wait_for_stage(&mut stage, Stage::Ended) => tracing::warn!("requests under way were cut off"),
    }
}

struct Connections {
    router: Router,
    limits: ConnectionLimits,
    clients: Clients,
    refusals: Occasional,
    stage: watch::Receiver<Stage>,
    graceful: GracefulShutdown,
}

impl Connections {
    fn start(&mut self, stream: TcpStream, peer: SocketAddr, place: Option<OwnedSemaphorePermit>) {
        let Some(counted) = self.count(peer) else { return };
        metrics::counter!("sotto_connections_total", "outcome" => "accepted").increment(1);
        let _ = stream.set_nodelay(true);
        let (router, stage, progress) = (self.router.clone(), self.stage.clone(), self.limits.progress);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let request = request.map(|body| Body::new(WatchedBody::new(body, progress)));
            handle(router.clone(), request, peer, *stage.borrow())
        });
        let stream = WatchedStream::new(stream, self.limits.first_byte, progress);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            let _held = (place, counted);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
        });
    }

    /// Counts a connection. `None` if the client has too many; the inner `None` if it is not counted.
    fn count(&mut self, peer: SocketAddr) -> Option<Option<Counted>> {
        if self.limits.is_exempt(peer.ip()) {
            return Some(None);
        }
        let counted = self.clients.count(peer.ip(), self.limits.per_client);
        if counted.is_none() {
            metrics::counter!("sotto_connections_total", "outcome" => "refused").increment(1);
            if let Some(suppressed) = self.refusals.line(Instant::now()) {
                tracing::warn!(client = %peer.ip(), suppressed, "a client has too many connections; one was closed");
            }
        }
        counted.map(Some)
    }

    /// Closes the listener. Connections in the kernel's queue are already open for their clients, which may have sent
    /// requests on them, so they are served first. The kernel is asked directly, because the runtime learns about
    /// connections with a delay.
    fn start_queued(&mut self, listener: TcpListener) -> io::Result<()> {
        let listener = listener.into_std()?;
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true)?;
                    self.start(TcpStream::from_std(stream)?, peer, None);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Waits for a stage. A dropped sender lets the server finish, but does not cut off requests.
async fn wait_for_stage(stage: &mut watch::Receiver<Stage>, goal: Stage) {
    if stage.wait_for(|stage| *stage >= goal).await.is_err() && goal > Stage::Finishing {
        std::future::pending::<()>().await;
    }
}

async fn handle(
    router: Router,
    mut request: hyper::Request<Body>,
    peer: SocketAddr,
    stage: Stage,
) -> Result<axum::response::Response, std::convert::Infallible> {
    normalize_path(request.uri_mut());
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(stage);
    let mut response = router.oneshot(request).await?;
    if stage > Stage::Serving {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
