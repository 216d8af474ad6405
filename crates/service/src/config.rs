//! The configuration of a service.

mod people;
mod webhook;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::price::PriceConfig;
use crate::secret::Token;

pub use people::{Gives, GroupRole, IdentityHeader, OidcConfig, PeopleConfig};
pub use webhook::WebhookConfig;

/// Where the data lives.
#[derive(Clone)]
pub enum Database {
    /// One file; made if missing.
    Sqlite(PathBuf),
    /// A server, as `postgres://user@host/database`. May hold a password: never printed.
    Postgres(String),
}

/// The configuration of a service. [`Config::local`] has the defaults.
#[derive(Clone)]
pub struct Config {
    /// Where the data lives.
    pub database: Database,
    /// The management listener.
    pub admin_addr: SocketAddr,
    /// The proxy-facing listener.
    pub sync_addr: SocketAddr,
    /// An administrator's token; stored by digest, in place of the one that was configured before.
    pub admin_token: Token,
    /// Where the administrator's token came from, for messages: a variable's name or a file's path.
    pub admin_token_from: String,
    /// The proxies' token; stored by digest too.
    pub sync_token: Token,
    /// Where the proxies' token came from.
    pub sync_token_from: String,
    /// How long the previous token of the proxies stays valid.
    pub token_overlap: Duration,
    /// The operator's prices.
    pub prices: PriceConfig,
    /// How many whole days raw events are kept; older days are closed and keep their sums.
    pub keep_events_days: u32,
    /// A proxy counts as live for this long after it was heard of. Longer than the longest poll.
    pub live_window: Duration,
    /// The journal's file, by which a database that was restored from a backup is recognised; `None` keeps none.
    pub journal: Option<PathBuf>,
    /// Start a new epoch, after a restore that nothing else recognises.
    pub new_epoch: bool,
    /// Set the proven time to the wall clock at the start. For a service that did not run for long, when the clock is right.
    pub trust_clock: bool,
    /// How people sign in, and for how long.
    pub people: PeopleConfig,
    /// Where alerts may be posted to.
    pub webhook: WebhookConfig,
}

impl Config {
    /// A service on the loopback with SQLite in `database`, its two listeners on 8081 and 8082.
    #[must_use]
    pub fn local(database: PathBuf, admin_token: Token, sync_token: Token) -> Self {
        let mut journal = database.clone().into_os_string();
        journal.push(".served");
        Self {
            database: Database::Sqlite(database),
            admin_addr: SocketAddr::from(([127, 0, 0, 1], 8081)),
            sync_addr: SocketAddr::from(([127, 0, 0, 1], 8082)),
            admin_token,
            admin_token_from: "the configuration".into(),
            sync_token,
            sync_token_from: "the configuration".into(),
            token_overlap: Duration::from_secs(86_400),
            prices: PriceConfig::default(),
            keep_events_days: 30,
            live_window: Duration::from_secs(30),
            journal: Some(journal.into()),
            new_epoch: false,
            trust_clock: false,
            people: PeopleConfig::default(),
            webhook: WebhookConfig::default(),
        }
    }
}
