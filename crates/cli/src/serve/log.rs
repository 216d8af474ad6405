//! What the service logs, and how.

use anyhow::{Result, anyhow};
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object a line
    Json,
    /// For people
    Text,
}

/// Levels by module, checked.
pub(super) fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "{error}: say a level (error, warn, info, debug, trace), or info,gmtech_service=debug"
        )),
    }
}

/// Logs to standard error from now on.
///
/// # Errors
/// Where something logs already.
pub(super) fn start(levels: &str, format: Format) -> Result<()> {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(levels)?)
        .with_writer(std::io::stderr);
    match format {
        Format::Json => lines.json().with_span_list(false).try_init(),
        Format::Text => lines.with_ansi(false).try_init(),
    }
    .map_err(|error| anyhow!("cannot log: {error}"))
}
