//! Keys, teams, tokens and usage, administered over the key service's management API.
//!
//! It opens no database. The service checks, records and audits every change.
//!
//! # Failure policy
//! The service's own message is shown, with its code. Nothing is retried: a creation that may have happened is
//! repeated safely with the same `--idempotency-key`. A token is read from the environment or a file,
//! never from the command line, where every user of the machine could read it.

pub(crate) mod alerts;
pub(crate) mod audit;
pub(crate) mod client;
pub(crate) mod keys;
pub(crate) mod people;
pub(crate) mod prices;
pub(crate) mod proxies;
pub(crate) mod requests;
pub(crate) mod restored;
mod show;
pub(crate) mod teams;
pub(crate) mod tiers;
pub(crate) mod tokens;
pub(crate) mod usage;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use ureq::http::Method;

use client::Client;

/// The heading of the options that select the service. `[client]` of a configuration file may set them.
pub(crate) const HEADING: &str = "Connection";

/// The options that select the service and the token.
#[derive(Args, Clone, Debug)]
pub(crate) struct Connection {
    /// The management API, with or without /admin/v1 at its end
    #[arg(
        long,
        env = "GMTECH_ADMIN_URL",
        default_value = "http://127.0.0.1:8081",
        global = true,
        help_heading = HEADING
    )]
    url: String,
    /// A file with the administrator's token; the variable GMTECH_ADMIN_TOKEN holds the token itself
    #[arg(long, value_name = "FILE", global = true, help_heading = HEADING)]
    token_file: Option<PathBuf>,
    /// The token file of the configuration file, which the variable overrides
    #[arg(long, global = true, hide = true, help_heading = HEADING)]
    token_file_of_config: Option<PathBuf>,
    /// Print the service's answer as JSON, and errors likewise
    #[arg(long, global = true)]
    json: bool,
}

impl Connection {
    /// The service, with this caller's token.
    ///
    /// # Errors
    /// If there is no token, or the address is invalid.
    pub(crate) fn client(&self) -> Result<Client> {
        Client::new(&self.url, &self.token()?)
    }

    /// The service, without a token: for its open endpoints.
    ///
    /// # Errors
    /// If the address is invalid.
    pub(crate) fn anonymous(&self) -> Result<Client> {
        Client::new(&self.url, "")
    }

    fn token(&self) -> Result<String> {
        let variable = std::env::var("GMTECH_ADMIN_TOKEN").ok();
        let variable = variable.filter(|token| !token.trim().is_empty());
        let token = match (&self.token_file, variable, &self.token_file_of_config) {
            (Some(path), _, _) => read(path, "--token-file")?,
            (None, Some(token), _) => token,
            (None, None, Some(path)) => read(path, "token-file of [client]")?,
            (None, None, None) => {
                bail!("set GMTECH_ADMIN_TOKEN, or name a --token-file (the service's admin.token)")
            }
        };
        Ok(token.trim().to_owned())
    }

    /// Whether to print the answer as JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Prints one object: as JSON, or one field on each line.
    fn print(&self, value: &Value, names: &[&str]) -> Result<()> {
        if self.json {
            show::json(value)
        } else {
            show::fields(value, names)
        }
    }

    /// Prints a list of objects: as JSON, or in columns.
    fn print_list(&self, rows: Vec<Value>, columns: &[(&str, &str)]) -> Result<()> {
        if self.json {
            show::json(&json!({"object": "list", "data": rows}))
        } else {
            show::table(&rows, columns)
        }
    }
}

fn read(path: &Path, option: &str) -> Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {option} {}", path.display()))
}

/// The management API, for calls that this program makes by itself.
pub(crate) struct Management(Client);

impl Management {
    /// The API at `url`, with `token` as the bearer token.
    ///
    /// # Errors
    /// If `url` has no scheme.
    pub(crate) fn new(url: &str, token: &str) -> Result<Self> {
        Client::new(url, token).map(Self)
    }

    /// Posts `body` to `path` below `/admin/v1`.
    ///
    /// # Errors
    /// If the service cannot be reached or refuses.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.0.post(path, body)
    }

    /// Puts `body` to `path` below `/admin/v1`.
    ///
    /// # Errors
    /// If the service cannot be reached or refuses.
    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.0.send(Method::PUT, path, body)
    }

    /// Patches `path` below `/admin/v1` with `body`.
    ///
    /// # Errors
    /// If the service cannot be reached or refuses.
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.0.send(Method::PATCH, path, body)
    }

    /// Every item of a list, page by page.
    ///
    /// # Errors
    /// If the service cannot be reached or refuses.
    pub(crate) fn all(&self, path: &str, query: &[(&str, Option<&str>)]) -> Result<Vec<Value>> {
        self.0.all(path, query)
    }
}
