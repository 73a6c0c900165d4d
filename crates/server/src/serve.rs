//! A whole server: the jobs, the router and the connections, from start to stop.

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::app::App;
use crate::http::listen::{Stage, accept};
use crate::{jobs, router};

/// Serves until the stage is [`Stage::Finishing`], then finishes open requests and closes the database. A dropped
/// sender counts as that stage.
pub async fn serve(listener: TcpListener, app: App, stage: watch::Receiver<Stage>) {
    let jobs = jobs::start(&app);
    let limits = app.config.connections.clone().behind(&app.config.trusted_proxies);
    accept(listener, router(&app), limits, stage).await;
    jobs.abort();
    app.storage.close().await;
}
