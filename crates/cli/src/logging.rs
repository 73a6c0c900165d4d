//! Writes logs to standard error, as text or as JSON lines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::{CommonSettings, LogFormat};

/// Starts logging. An invalid filter has been refused with the settings.
pub fn start(common: &CommonSettings) {
    // At level debug, `tokio_postgres` logs the parameters of every statement, which contain users' texts. `Parse` and
    // `scanner` are the SQL tokenizer, which logs each token.
    let filter = common.log.as_deref().unwrap_or("info");
    let filter = EnvFilter::new(format!("{filter},tokio_postgres=info,Parse=off,scanner=off"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match common.log_format.unwrap_or_default() {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
