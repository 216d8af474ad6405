//! The options of `gmtech serve`, and the service's configuration from them.

mod people;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::{ArgAction, Args};
use gmtech_core::address::{AddressSet, Network};
use gmtech_service::config::{Config, Database};
use gmtech_service::price::PriceConfig;
use gmtech_service::secret::Token;

use self::people::People;
use super::log::{self, Format};

/// The options of `gmtech serve`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Tokens:
  GMTECH_ADMIN_TOKEN   an administrator's token, in place of a file's; it ends the one that was configured before
  GMTECH_SYNC_TOKEN    the proxies' token, in place of a file's; the one before goes on for --token-overlap
  GMTECH_OIDC_CLIENT_SECRET, GMTECH_IDENTITY_SECRET
                       the secrets of the provider's client and of the proxy with the identity header, in place of a file's

Signals:
  SIGTERM, SIGINT      stop; requests under way are finished
  SIGHUP               read tokens and prices again; what is broken changes nothing

Each option can be a variable (--keep-events is GMTECH_KEEP_EVENTS) or stand in the section [serve] of gmtech.toml
(keep-events = 30). The command line comes first, then the variable, then the file.

Examples:
  gmtech serve
  gmtech serve --database /var/lib/gmtech/gmtech.db --port 9081 --sync-port 9082
  gmtech serve --database postgres://gmtech@db/gmtech --prices prices.json
  gmtech serve --config /etc/gmtech/gmtech.toml --log info,gmtech_service=debug --log-format text")]
pub(crate) struct Command {
    /// A SQLite file, or a PostgreSQL URL (postgres://user@host/database)
    #[arg(
        long,
        env = "GMTECH_DATABASE",
        default_value = ".local/gmtech.db",
        hide_env_values = true
    )]
    database: String,
    /// The directory of the token files; by default that of the SQLite file
    #[arg(long, env = "GMTECH_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The file with an administrator's token, made if it is missing; by default admin.token in the state directory
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// The token file of the configuration file, which the variable overrides
    #[arg(long, hide = true)]
    admin_token_file_of_config: Option<PathBuf>,
    /// The file with the proxies' token, made if it is missing; by default sync.token in the state directory
    #[arg(long, value_name = "FILE")]
    sync_token_file: Option<PathBuf>,
    /// The token file of the configuration file, which the variable overrides
    #[arg(long, hide = true)]
    sync_token_file_of_config: Option<PathBuf>,
    /// How long the previous proxies' token stays valid after another one is configured
    #[arg(long, env = "GMTECH_TOKEN_OVERLAP", value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
    token_overlap: Duration,
    /// The address of the management API
    #[arg(
        long,
        env = "GMTECH_HOST",
        value_name = "IP",
        default_value = "127.0.0.1"
    )]
    host: IpAddr,
    /// The port of the management API; 0 lets the system choose
    #[arg(long, env = "GMTECH_PORT", default_value_t = 8081)]
    port: u16,
    /// The address of the listener for proxies
    #[arg(
        long,
        env = "GMTECH_SYNC_HOST",
        value_name = "IP",
        default_value = "127.0.0.1"
    )]
    sync_host: IpAddr,
    /// The port of the listener for proxies; 0 lets the system choose
    #[arg(long, env = "GMTECH_SYNC_PORT", default_value_t = 8082)]
    sync_port: u16,
    /// Where browsers reach the pages, such as https://gate.example.com; by default as each browser says
    #[arg(long, env = "GMTECH_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
    /// The networks of the proxies in front of the pages, whose X-Forwarded-For is believed
    #[arg(
        long,
        env = "GMTECH_TRUSTED_PROXIES",
        value_name = "NETWORKS",
        value_delimiter = ','
    )]
    trusted_proxies: Vec<Network>,
    /// How long a person stays signed in without looking at a page
    #[arg(long, env = "GMTECH_SESSION_IDLE", value_name = "DURATION", default_value = "12h", value_parser = humantime::parse_duration)]
    session_idle: Duration,
    /// How long a person stays signed in at most
    #[arg(long, env = "GMTECH_SESSION_LIFE", value_name = "DURATION", default_value = "7d", value_parser = humantime::parse_duration)]
    session_life: Duration,
    #[command(flatten)]
    people: Box<People>,
    /// Networks that alerts may be posted to besides the public Internet, such as 10.0.0.0/8
    #[arg(
        long,
        env = "GMTECH_ALERT_NETWORKS",
        value_name = "NETWORKS",
        value_delimiter = ','
    )]
    alert_networks: Vec<Network>,
    /// Whether alerts may be posted without TLS (http); on the loopback, if it is among the networks, they always may
    #[arg(long, env = "GMTECH_ALERT_HTTP", value_name = "BOOL", default_value_t = false, action = ArgAction::Set)]
    alert_http: bool,
    /// A JSON file of prices: {"fallback": {"input": "10", "output": "30"}, "models": [{"model": "gpt-4o*", "input": …}]}
    #[arg(long, env = "GMTECH_PRICES", value_name = "FILE")]
    prices: Option<PathBuf>,
    /// How many days single events are kept; their sums are kept for ever
    #[arg(
        long,
        env = "GMTECH_KEEP_EVENTS",
        value_name = "DAYS",
        default_value_t = 30
    )]
    keep_events: u32,
    /// How long a proxy counts as live after its last poll
    #[arg(long, env = "GMTECH_LIVE_WINDOW", value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    live_window: Duration,
    /// The log level (error, warn, info, debug, trace), also by module, such as info,gmtech_service=debug
    #[arg(long, env = "GMTECH_LOG", value_name = "LEVELS", default_value = "info", value_parser = log::filter)]
    pub(super) log: String,
    /// The format of the log
    #[arg(
        long,
        env = "GMTECH_LOG_FORMAT",
        value_enum,
        value_name = "FORMAT",
        default_value_t = Format::Json
    )]
    pub(super) log_format: Format,
    /// Make every proxy read all data again, as after restoring a backup
    #[arg(long)]
    new_epoch: bool,
    /// Trust the wall clock once, after the service was stopped for a long time; if the clock is ahead, old data is dropped
    #[arg(long)]
    trust_clock: bool,
}

impl Command {
    /// The service's configuration. Makes the state directory and token files where they are missing.
    ///
    /// # Errors
    /// If a file cannot be read or made, or a value is invalid.
    pub(super) fn config(&self) -> Result<Config> {
        let state = self.state();
        if !state.as_os_str().is_empty() {
            std::fs::create_dir_all(&state)
                .with_context(|| format!("cannot make {}", state.display()))?;
        }
        let (admin, admin_from) = token(
            self.admin_token_file.as_ref(),
            "GMTECH_ADMIN_TOKEN",
            self.admin_token_file_of_config.as_ref(),
            &state.join("admin.token"),
        )?;
        let (sync, sync_from) = token(
            self.sync_token_file.as_ref(),
            "GMTECH_SYNC_TOKEN",
            self.sync_token_file_of_config.as_ref(),
            &state.join("sync.token"),
        )?;
        if admin.digest() == sync.digest() {
            bail!(
                "{admin_from} and {sync_from} hold the same token: administrators and proxies need one each"
            );
        }
        let mut config = Config::local(PathBuf::from(&self.database), admin, sync);
        (config.admin_token_from, config.sync_token_from) = (admin_from, sync_from);
        config.token_overlap = self.token_overlap;
        if self.is_server() {
            config.database = Database::Postgres(self.database.clone());
            config.journal = Some(state.join("postgres.served"));
        }
        config.admin_addr = SocketAddr::new(self.host, self.port);
        config.sync_addr = SocketAddr::new(self.sync_host, self.sync_port);
        if let Some(path) = &self.prices {
            config.prices = prices(path).with_context(|| format!("--prices {}", path.display()))?;
        }
        config.people.public_url = self.public_url.clone();
        config.people.session_idle = self.session_idle;
        config.people.session_life = self.session_life;
        if !self.trusted_proxies.is_empty() {
            let trusted = AddressSet::new(self.trusted_proxies.clone());
            config.people.trusted_proxies =
                Some(trusted.map_err(|why| anyhow!("--trusted-proxies {why}"))?);
        }
        self.people.configure(&mut config.people)?;
        if !self.alert_networks.is_empty() {
            let networks = AddressSet::new(self.alert_networks.clone());
            config.webhook.networks =
                Some(networks.map_err(|why| anyhow!("--alert-networks {why}"))?);
        }
        config.webhook.http = self.alert_http;
        config.keep_events_days = self.keep_events;
        config.live_window = self.live_window;
        config.new_epoch = self.new_epoch;
        config.trust_clock = self.trust_clock;
        Ok(config)
    }

    fn state(&self) -> PathBuf {
        match (&self.state_dir, self.is_server()) {
            (Some(dir), _) => dir.clone(),
            (None, false) => Path::new(&self.database)
                .parent()
                .unwrap_or(Path::new(""))
                .to_owned(),
            (None, true) => PathBuf::from(".local"),
        }
    }

    fn is_server(&self) -> bool {
        self.database.starts_with("postgres://") || self.database.starts_with("postgresql://")
    }

    /// Logs the addresses and files in use.
    pub(super) fn tell(&self, config: &Config, management: SocketAddr, proxies: SocketAddr) {
        let file = crate::config_file::in_use().map(|path| path.display().to_string());
        let served = config.journal.as_ref().map(|p| p.display().to_string());
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            config_file = file.as_deref().unwrap_or("none"),
            database = without_password(&self.database),
            state_dir = %absolute(&self.state()).display(),
            served_mark = served,
            %management,
            %proxies,
            admin_token = config.admin_token_from,
            sync_token = config.sync_token_from,
            token_overlap = %humantime::format_duration(config.token_overlap),
            prices = self.prices.as_ref().map_or("the embedded list".into(), |p| p.display().to_string()),
            keep_events_days = config.keep_events_days,
            live_window = %humantime::format_duration(config.live_window),
            log = self.log,
            "the key service has started"
        );
    }

    /// The changed options that need a restart: those that differ from `was` and are only read at the start.
    pub(super) fn waits_for_a_restart(&self, was: &Self) -> Vec<&'static str> {
        let changed = [
            ("database", self.database != was.database),
            ("host", self.host != was.host),
            ("port", self.port != was.port),
            ("sync-host", self.sync_host != was.sync_host),
            ("sync-port", self.sync_port != was.sync_port),
            ("public-url", self.public_url != was.public_url),
            (
                "trusted-proxies",
                self.trusted_proxies != was.trusted_proxies,
            ),
            ("session-idle", self.session_idle != was.session_idle),
            ("session-life", self.session_life != was.session_life),
            (
                "oidc-*, identity-*, admit-anyone",
                self.people != was.people,
            ),
            ("alert-networks", self.alert_networks != was.alert_networks),
            ("alert-http", self.alert_http != was.alert_http),
            ("keep-events", self.keep_events != was.keep_events),
            ("live-window", self.live_window != was.live_window),
            ("log", self.log != was.log),
            ("log-format", self.log_format != was.log_format),
        ];
        let changed = changed.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(name, _)| name).collect()
    }
}

/// A token and its source, in this order: the command line's file, the variable, the configuration file's file, or the
/// default file, which is made if it is missing.
fn token(
    option: Option<&PathBuf>,
    variable: &str,
    of_config: Option<&PathBuf>,
    usual: &Path,
) -> Result<(Token, String)> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty());
    if let (None, Some(text)) = (option, text) {
        let token = Token::parse(&text).with_context(|| variable.to_owned())?;
        return Ok((token, variable.to_owned()));
    }
    let path = absolute(option.or(of_config).map_or(usual, PathBuf::as_path));
    let token = Token::from_file(&path).with_context(|| path.display().to_string())?;
    Ok((token, path.display().to_string()))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// An address of a site: its scheme and host, without a path.
fn public_url(text: &str) -> Result<String, String> {
    let url = text.trim_end_matches('/');
    let host = (url.strip_prefix("https://")).or(url.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => {
            Ok(url.to_owned())
        }
        _ => Err("must be http:// or https:// and a host, without a path".into()),
    }
}

fn prices(path: &Path) -> Result<PriceConfig> {
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

/// The database for the log: a URL without the user, the password and the options.
fn without_password(database: &str) -> String {
    let Some((scheme, rest)) = database.split_once("://") else {
        return absolute(Path::new(database)).display().to_string();
    };
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    format!("{scheme}://{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_shown_without_its_password() {
        for (url, shown) in [
            (
                "postgres://gmtech:pw@db:5432/keys",
                "postgres://db:5432/keys",
            ),
            ("postgres://db/keys?password=pw", "postgres://db/keys"),
            ("postgresql://a:p@ss@db/keys?user=x", "postgresql://db/keys"),
            ("/var/lib/gmtech.db", "/var/lib/gmtech.db"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
