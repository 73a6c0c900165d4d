//! Accepting connections, and letting go of them in good order.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::app::App;
use crate::middleware::one_spelling;
use crate::{jobs, router};

/// How long a client may take for a request's head, and a kept-alive connection may idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests under way get to finish once the server is told to stop.
const FAREWELL: Duration = Duration::from_secs(20);
/// Connections at once, at most; the next ones wait in the kernel's queue.
const CONNECTIONS: usize = 4096;

/// Serves until `shutdown` resolves, then finishes the requests that were accepted and closes the database.
pub async fn serve(listener: TcpListener, app: App, shutdown: impl Future<Output = ()>) {
    let jobs = jobs::start(&app);
    accept(listener, router(&app), shutdown).await;
    jobs.abort();
    app.storage.close().await;
}

/// Serves any router the way [`serve`] does.
pub async fn accept(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let places = std::sync::Arc::new(Semaphore::new(CONNECTIONS));
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = async {
                let place = places.clone().acquire_owned().await.ok();
                (listener.accept().await, place)
            } => accepted,
        };
        let (accepted, place) = accepted;
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, say: others will be closed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        let service = service_fn(move |request| handle(router.clone(), request, peer));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

async fn handle(
    router: Router,
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
) -> Result<axum::response::Response, std::convert::Infallible> {
    let mut request = request.map(Body::new);
    one_spelling(request.uri_mut());
    request.extensions_mut().insert(peer);
    router.oneshot(request).await
}
