//! `gmtech serve`: the key service in the foreground, until it is told to stop.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use gmtech_core::ident::TierName;
use gmtech_service::config::{Config, Database};
use gmtech_service::price::PriceConfig;
use gmtech_service::secret::Token;
use tokio::signal::unix::{SignalKind, signal};

/// The key service.
#[derive(Args, Debug)]
#[command(after_help = "Environment:
  GMTECH_ADMIN_TOKEN   the first administrator's token, in place of the file admin.token
  GMTECH_SYNC_TOKEN    the proxies' token, in place of the file sync.token
  RUST_LOG             what to log, as info or gmtech_service=debug

Examples:
  gmtech serve
  gmtech serve --database /var/lib/gmtech/gmtech.db --port 9081 --sync-port 9082
  gmtech serve --database postgres://gmtech@db/gmtech --prices prices.json")]
pub(crate) struct Command {
    /// A SQLite file, or a PostgreSQL URL (postgres://user@host/database)
    #[arg(
        long,
        env = "GMTECH_DATABASE",
        default_value = ".local/gmtech.db",
        hide_env_values = true
    )]
    database: String,
    /// Where the token files are made; by default beside the SQLite file
    #[arg(long, env = "GMTECH_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The address of the management API
    #[arg(long, env = "SERVICE_HOST", default_value = "127.0.0.1")]
    host: IpAddr,
    /// The port of the management API
    #[arg(long, env = "SERVICE_PORT", default_value_t = 8081)]
    port: u16,
    /// The address that the proxies reach
    #[arg(long, env = "SYNC_HOST", default_value = "127.0.0.1")]
    sync_host: IpAddr,
    /// The port that the proxies reach
    #[arg(long, env = "SYNC_PORT", default_value_t = 8082)]
    sync_port: u16,
    /// The tiers that a key may have; their limits are the filter's configuration
    #[arg(long, value_delimiter = ',', default_value = "free,pro,team")]
    tiers: Vec<String>,
    /// A JSON file of prices: {"fallback": {"input": "10", "output": "30"}, "models": [{"model": "gpt-4o*", "input": …}]}
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// How many days single events are kept; their sums are kept for ever
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    keep_events: u32,
    /// How long a proxy that was not heard of counts as live
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    live_window: Duration,
    /// Make every proxy read everything again; after restoring a backup
    #[arg(long)]
    new_epoch: bool,
    /// Take the clock's word for how late it is, where the service has not run for long: old data is dropped by it
    #[arg(long)]
    trust_clock: bool,
}

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// Where an option, file or address does not work.
pub(crate) fn run(command: &Command) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .json()
        .init();
    let config = command.config()?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let running = gmtech_service::serve::serve(&config).await?;
        println!(
            "management http://{}  proxies http://{}",
            running.admin_addr, running.sync_addr
        );
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        running.stop().await;
        Ok(())
    })
}

impl Command {
    fn config(&self) -> Result<Config> {
        let is_server =
            self.database.starts_with("postgres://") || self.database.starts_with("postgresql://");
        let state = match (&self.state_dir, is_server) {
            (Some(dir), _) => dir.clone(),
            (None, false) => Path::new(&self.database)
                .parent()
                .unwrap_or(Path::new(""))
                .to_owned(),
            (None, true) => PathBuf::from(".local"),
        };
        if !state.as_os_str().is_empty() {
            std::fs::create_dir_all(&state)
                .with_context(|| format!("cannot make {}", state.display()))?;
        }
        let admin = token("GMTECH_ADMIN_TOKEN", &state.join("admin.token"))?;
        let sync = token("GMTECH_SYNC_TOKEN", &state.join("sync.token"))?;
        let mut config = Config::local(PathBuf::from(&self.database), admin, sync);
        if is_server {
            config.database = Database::Postgres(self.database.clone());
            config.high_water = Some(state.join("postgres.served"));
        }
        config.admin_addr = SocketAddr::new(self.host, self.port);
        config.sync_addr = SocketAddr::new(self.sync_host, self.sync_port);
        config.tiers = self
            .tiers
            .iter()
            .map(|t| TierName::new(t).map_err(|why| anyhow!("--tiers {t:?}: {why}")))
            .collect::<Result<_>>()?;
        if let Some(path) = &self.prices {
            config.prices = prices(path).with_context(|| format!("--prices {}", path.display()))?;
        }
        config.keep_events_days = self.keep_events;
        config.live_window = self.live_window;
        config.new_epoch = self.new_epoch;
        config.trust_clock = self.trust_clock;
        Ok(config)
    }
}

/// The token of the environment, or of the file, which is made if it is missing.
fn token(variable: &str, path: &Path) -> Result<Token> {
    match std::env::var(variable) {
        Ok(text) => Token::parse(&text).with_context(|| variable.to_owned()),
        Err(_) => Token::from_file(path).with_context(|| path.display().to_string()),
    }
}

fn prices(path: &Path) -> Result<PriceConfig> {
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}
