//! Keys, teams and usage, administered over the key service's management API.
//!
//! What it is not: it opens no database. Whatever it does, the service checks, records and audits.
//!
//! # Failure policy
//! The service's own message is shown, with its code. Nothing is tried again: a creation that may have happened is
//! repeated safely with the same `--idempotency-key`. A token is read from the environment or a file,
//! never from the command line, where every user of the machine could read it.

mod client;
pub(crate) mod keys;
mod show;
pub(crate) mod teams;
pub(crate) mod usage;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use client::Client;

/// Which service, as whom.
#[derive(Args, Clone, Debug)]
pub(crate) struct Connection {
    /// The management API
    #[arg(
        long,
        env = "GMTECH_ADMIN_URL",
        default_value = "http://127.0.0.1:8081",
        global = true,
        help_heading = "Connection"
    )]
    url: String,
    /// A file with the administrator's token, where GMTECH_ADMIN_TOKEN is not set
    #[arg(long, value_name = "FILE", global = true, help_heading = "Connection")]
    token_file: Option<PathBuf>,
    /// Print the service's answer as JSON
    #[arg(long, global = true, help_heading = "Connection")]
    json: bool,
}

impl Connection {
    fn client(&self) -> Result<Client> {
        let token = match (std::env::var("GMTECH_ADMIN_TOKEN"), &self.token_file) {
            (_, Some(path)) => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read --token-file {}", path.display()))?,
            (Ok(token), None) => token,
            (Err(_), None) => bail!("set GMTECH_ADMIN_TOKEN, or name a --token-file"),
        };
        Client::new(&self.url, token.trim())
    }
}

/// The management API, for what this program does there by itself.
pub(crate) struct Management(Client);

impl Management {
    /// The API at `url`, for the holder of `token`.
    ///
    /// # Errors
    /// Where `url` has no scheme.
    pub(crate) fn new(url: &str, token: &str) -> Result<Self> {
        Client::new(url, token).map(Self)
    }

    /// Posts `body` to `path` below `/admin/v1`.
    ///
    /// # Errors
    /// Where the service cannot be reached or refuses.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.0.post(path, body)
    }

    /// Every item of a list, page by page.
    ///
    /// # Errors
    /// Where the service cannot be reached or refuses.
    pub(crate) fn all(&self, path: &str, query: &[(&str, Option<&str>)]) -> Result<Vec<Value>> {
        self.0.all(path, query)
    }
}
