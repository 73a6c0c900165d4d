//! Logs on standard error, as text or as JSON lines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::{Common, LogFormat};

/// Starts logging. A filter that cannot be read has been refused with the settings.
pub fn start(common: &Common) {
    // At its debug level this driver logs the parameters of every statement: what people write.
    let wanted = common.log.as_deref().unwrap_or("info");
    let filter = EnvFilter::new(format!("{wanted},tokio_postgres=info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match common.log_format.unwrap_or_default() {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
