//! `sotto serve`.

use std::sync::Arc;

use sotto_server::App;
use sotto_server::system::{SystemClock, SystemRandom};
use tokio::net::TcpListener;

use super::db::check;
use super::{ensure_schema, keys, say};
use crate::error::{CliError, Result};
use crate::settings::{Common, Serving};
use crate::stop::StopSignal;

/// Serves until SIGTERM or Ctrl-C.
pub async fn run(common: &Common, serving: &Serving) -> Result<()> {
    let mut signal = StopSignal::listen();
    let config = serving.to_config()?;
    common.make_data_dir()?;
    let keys = keys::load(common, serving)?;
    ensure_schema(common, serving.auto_upgrade.unwrap_or(false)).await?;

    let address = serving.listen();
    let listener = TcpListener::bind(address).await.map_err(|source| CliError::Listen { address, source })?;
    let address = listener.local_addr()?;
    let storage = common.database().open().await?;
    if !serving.accept_lost_keys.unwrap_or(false) {
        let way_out = "to serve them, start with --accept-lost-keys";
        keys::ensure_phrases_work(&*storage, &keys, way_out).await?;
    }
    let recordings = common.attachments().recordings().await?;
    let engine = storage.engine();
    let app = App::new(storage, recordings, &keys, config, Arc::new(SystemClock), Arc::new(SystemRandom));

    greet(common, app.config.public_url.clone().unwrap_or_else(|| format!("http://{address}")))?;
    tracing::info!(%address, engine, version = env!("CARGO_PKG_VERSION"), "serving");
    if app.config.web_dir.is_none() && !sotto_server::web_files::is_embedded() {
        tracing::warn!("the web app is not included: build it first, or name its folder in SOTTO_WEB_DIR");
    }
    tokio::spawn(check::warn(common.database()));
    let stop = async {
        signal.wait().await;
        tracing::info!("stopping: finishing what was accepted");
    };
    sotto_server::serve(listener, app, stop).await;
    tracing::info!("stopped");
    Ok(())
}

/// Tells a person where the data lies and what to open.
fn greet(common: &Common, url: String) -> Result<()> {
    let folder = common.data_dir();
    let folder = folder.canonicalize().unwrap_or(folder);
    say(&format!(
        "\n  Sotto {} is serving your journal.\n\n  Open    {url}\n  API     {url}/api/docs\n  Data    {}\n  Stop    Ctrl-C\n",
        env!("CARGO_PKG_VERSION"),
        match common.database() {
            sotto_storage::DatabaseUrl::Sqlite(_) => folder.display().to_string(),
            postgres @ sotto_storage::DatabaseUrl::Postgres(_) => format!("{postgres}, keys in {}", folder.display()),
        }
    ))
}
