//! `sotto serve`: starts the server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sotto_server::system::{SystemClock, SystemRandom};
use sotto_server::{App, ConnectionLimits, Stage};
use sotto_storage::DatabaseUrl;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::db::check;
use super::{announce, ensure_schema, keys, print_line};
use crate::error::{CliError, Result};
use crate::settings::{CommonSettings, ServeSettings};
use crate::stop::{StopReason, StopSignal};

/// Serves until SIGTERM or Ctrl-C.
pub async fn run(common: &CommonSettings, serving: &ServeSettings) -> Result<()> {
    let mut signal = StopSignal::listen();
    let mut config = serving.to_config()?;
    let descriptors = sotto_server::raise_descriptor_limit();
    config.connections.places = ConnectionLimits::places_for(descriptors);
    announce(common, &common.database());
    common.make_data_dir()?;
    // Held until the storage is closed.
    let _claim = common.database().claim_for_server().await?;
    let keys = keys::load(common, serving)?;
    let database = common.database();
    let connected = tokio::select! {
        result = database.wait_until_reachable(serving.database_wait()) => result,
        _ = signal.wait() => return Ok(()),
    };
    // Before an error of the wait is returned, because the errors of migrations explain a missing or inaccessible
    // database better.
    ensure_schema(common, serving.auto_upgrade.unwrap_or(false)).await?;
    connected?;

    let address = serving.listen();
    let listener = TcpListener::bind(address).await.map_err(|source| CliError::Listen { address, source })?;
    let address = listener.local_addr()?;
    let storage = common.database().open_with(serving.pool()).await?;
    if !serving.accept_lost_keys.unwrap_or(false) {
        let advice = "to start anyway, use --accept-lost-keys";
        keys::ensure_phrases_work(&*storage, &keys, advice).await?;
    }
    let recordings = common.attachments().recordings().await?;
    recordings.claim(&*storage, &SystemClock, &SystemRandom).await?;
    let engine = storage.engine();
    config.audit_addresses = common.audit_addresses();
    config.monitoring.data_dir = Some(common.data_dir());
    config.monitoring.database_dir = match &database {
        DatabaseUrl::Sqlite(path) => path.parent().map(Path::to_owned),
        DatabaseUrl::Postgres(_) => None,
    };
    let app = App::new(storage, recordings, &keys, config, Arc::new(SystemClock), Arc::new(SystemRandom));

    print_welcome(common, app.config.public_url.clone().unwrap_or_else(|| format!("http://{address}")))?;
    tracing::info!(%address, engine, version = env!("CARGO_PKG_VERSION"), "serving");
    let connections = &app.config.connections;
    tracing::info!(descriptors, connections = connections.places, per_client = connections.per_client, "limits");
    if app.config.web_dir.is_none() && !sotto_server::web_files::is_embedded() {
        tracing::warn!("the web app is not built in: build it first, or set SOTTO_WEB_DIR to its folder");
    }
    if !app.config.trusted_proxies.is_empty() && app.config.public_url.is_none() {
        tracing::warn!(
            "trusted_proxies is set, but public_url is not: behind a proxy with HTTPS, cookies lack Secure and \
             browsers are not told to stay on HTTPS; set SOTTO_PUBLIC_URL to the address that users open"
        );
    }
    tokio::spawn(check::warn(common.database()));
    let (stage, stages) = watch::channel(Stage::Serving);
    tokio::spawn(stop_in_stages(signal, stage, serving.drain()));
    sotto_server::serve(listener, app, stages).await;
    tracing::info!("stopped");
    Ok(())
}

/// Drains after a service manager's SIGTERM, but not after Ctrl-C, because a person waits at the terminal. Each further
/// signal ends the current stage.
async fn stop_in_stages(mut signal: StopSignal, stage: watch::Sender<Stage>, drain: Duration) {
    if signal.wait().await == StopReason::Terminate && !drain.is_zero() {
        tracing::info!(seconds = drain.as_secs(), "draining: not ready, but still serving");
        stage.send_replace(Stage::Draining);
        let _ = tokio::time::timeout(drain, signal.wait()).await;
    }
    tracing::info!("stopping: finishing accepted requests");
    stage.send_replace(Stage::Finishing);
    signal.wait().await;
    stage.send_replace(Stage::Ended);
}

/// Prints the address to open and the location of the data.
fn print_welcome(common: &CommonSettings, url: String) -> Result<()> {
    let folder = common.data_dir();
    let folder = folder.canonicalize().unwrap_or(folder);
    print_line(&format!(
        "\n  Sotto {} is serving your journal.\n\n  Open    {url}\n  API     {url}/api/docs\n  Data    {}\n  Stop    Ctrl-C\n",
        env!("CARGO_PKG_VERSION"),
        match common.database() {
            DatabaseUrl::Sqlite(_) => folder.display().to_string(),
            postgres @ DatabaseUrl::Postgres(_) => format!("{postgres}, keys in {}", folder.display()),
        }
    ))
}
