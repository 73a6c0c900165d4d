//! Accepts connections, and stops without failing a request.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

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

use super::normalize_path::normalize_path;

/// Deadline for the head of a request, and for the next request on an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for open requests to finish after the server has stopped accepting connections.
const FINISH_TIMEOUT: Duration = Duration::from_secs(20);
/// Concurrent connections. Further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;

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
pub async fn accept(listener: TcpListener, router: Router, mut stage: watch::Receiver<Stage>) {
    let connections = Connections { router, stage: stage.clone(), graceful: GracefulShutdown::new() };
    let places = std::sync::Arc::new(Semaphore::new(MAX_CONNECTIONS));
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
                tracing::warn!(%error, "a connection could not be accepted");
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
    stage: watch::Receiver<Stage>,
    graceful: GracefulShutdown,
}

impl Connections {
    fn start(&self, stream: TcpStream, peer: SocketAddr, place: Option<OwnedSemaphorePermit>) {
        let _ = stream.set_nodelay(true);
        let (router, stage) = (self.router.clone(), self.stage.clone());
        let service = service_fn(move |request| handle(router.clone(), request, peer, *stage.borrow()));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
        });
    }

    /// Closes the listener. Connections in the kernel's queue are already open for their clients, which may have sent
    /// requests on them, so they are served first. The kernel is asked directly, because the runtime learns about
    /// connections with a delay.
    fn start_queued(&self, listener: TcpListener) -> io::Result<()> {
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
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    stage: Stage,
) -> Result<axum::response::Response, std::convert::Infallible> {
    let mut request = request.map(Body::new);
    normalize_path(request.uri_mut());
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(stage);
    let mut response = router.oneshot(request).await?;
    if stage > Stage::Serving {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
