//! The service's log: levels and format.

use anyhow::{Result, anyhow};
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object on each line
    Json,
    /// For people
    Text,
}

/// Parses levels by module.
pub(super) fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "{error}: say a level (error, warn, info, debug, trace), or info,gmtech_service=debug"
        )),
    }
}

/// Starts to log to standard error.
///
/// # Errors
/// If a logger is already set.
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
