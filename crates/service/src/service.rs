//! A running service without its listeners: the state that every handler shares.

mod configured;
mod deliveries;
mod housekeeping;

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::request::Parts;
use gmtech_core::key::{holds_key, redact};
use gmtech_core::sync::events::{Label, UsageEvent};
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::task::TaskTracker;

use crate::attempts::Attempts;
use crate::authenticate::{Authenticator, Listener};
use crate::clock::Millis;
use crate::config::{Config, Database, PeopleConfig};
use crate::db;
use crate::error::ApiError;
use crate::health::{Health, Readiness};
use crate::intake::Intake;
use crate::journal::{self, Journal, JournalFile};
use crate::levels::Levels;
use crate::metrics::Metrics;
use crate::price::{OwnPrices, PriceBook, Quote};
use crate::provider::Provider;
use crate::seen::Seen;
use crate::store::{By, Priced, ServiceToken, Store, StoreError, first_tiers};
use crate::webhook::Sender;

pub(crate) use self::deliveries::deliver;

/// The settings that can be replaced while the service runs.
struct Settings {
    prices: PriceBook,
}

impl Settings {
    fn of(config: &Config) -> Self {
        Self {
            prices: PriceBook::new(config.prices.clone()),
        }
    }
}

/// The state that every handler shares.
pub struct Service {
    /// The data.
    pub store: Arc<Store>,
    /// Takes usage into the store.
    pub intake: Intake,
    /// Counters for Prometheus.
    pub metrics: Metrics,
    /// How many whole days raw events are kept.
    pub keep_events_days: u32,
    /// How long a proxy counts as live.
    pub live_window: Duration,
    pub(crate) authenticator: Authenticator,
    pub(crate) seen: Seen,
    pub(crate) attempts: Attempts,
    /// How people sign in.
    pub(crate) people: PeopleConfig,
    /// The provider that they sign in with.
    pub(crate) provider: Option<Provider>,
    admin_addr: SocketAddr,
    settings: RwLock<Arc<Settings>>,
    pub(crate) journal: Journal,
    /// Says to other programs that the database is in use.
    _lock: Option<db::Lock>,
    clocks: Mutex<housekeeping::Clocks>,
    lag_ms: AtomicU64,
    /// Wakes up those who wait for receipts.
    pub(crate) reported: Notify,
    /// Turns true when the service stops.
    pub(crate) stopping: watch::Sender<bool>,
    /// Changes under way, including those whose client has hung up.
    pub(crate) under_way: TaskTracker,
    health: Health,
    /// Live levels of limits.
    pub(crate) levels: Arc<Levels>,
    /// Posts alerts.
    pub(crate) sender: Sender,
    /// How long it is waited after each attempt to post one that fails.
    pauses: Vec<Duration>,
}

impl Service {
    /// Opens the store, stores the first token, and finds out whether the database is older than what was served.
    ///
    /// # Errors
    /// Where the store cannot be opened.
    pub async fn open(config: &Config) -> Result<Arc<Self>, StoreError> {
        let (store, lock): (Arc<Store>, _) = match &config.database {
            Database::Sqlite(path) => {
                let lock = db::Lock::share(path)?;
                db::refuse_foreign_log(path, config.journal.as_deref()).await?;
                (Arc::new(Store::sqlite(path).await?), Some(lock))
            }
            Database::Postgres(url) => (Arc::new(Store::postgres(url).await?), None),
        };
        Self::start(config, store, lock).await
    }

    /// As [`Service::open`], over a store that is open already.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn with_store(config: &Config, store: Arc<Store>) -> Result<Arc<Self>, StoreError> {
        Self::start(config, store, None).await
    }

    async fn start(
        config: &Config,
        store: Arc<Store>,
        lock: Option<db::Lock>,
    ) -> Result<Arc<Self>, StoreError> {
        let by = By::service(Millis::now());
        let went_back = match &config.journal {
            Some(path) => {
                let mut journal = JournalFile::open(path.clone());
                journal::look(store.as_ref(), &mut journal, &by).await?
            }
            None => false,
        };
        if config.new_epoch && !went_back {
            let why = "as the operator asked";
            let head = store.head().await?;
            tracing::warn!(version = head.version, why, "starting a new epoch");
            store.new_epoch(head, why, &[], &by).await?;
        }
        configured::configure(store.as_ref(), config, &by).await?;
        store.seed_tiers(&first_tiers(), &by).await?;
        if config.trust_clock {
            let proven = store.proven().await?;
            store.prove(proven, by.now).await?;
            tracing::warn!(now = %by.now.to_rfc3339(), "the wall clock is trusted, as the operator asked");
        }
        Ok(Arc::new(Self {
            intake: Intake::start(store.clone()),
            store: store.clone(),
            metrics: Metrics::default(),
            authenticator: Authenticator::new(),
            seen: Seen::new(&config.people),
            attempts: Attempts::new(),
            people: config.people.clone(),
            provider: config.people.oidc.as_ref().map(|oidc| {
                let below = |path| page_url(&config.people, config.admin_addr, path);
                Provider::new(
                    oidc,
                    below("/users/sign-in/oidc/callback"),
                    below("/users/sign-in/"),
                )
            }),
            admin_addr: config.admin_addr,
            settings: RwLock::new(Arc::new(Settings::of(config))),
            keep_events_days: config.keep_events_days,
            live_window: config.live_window,
            journal: Journal::keep(config.journal.clone(), store),
            _lock: lock,
            clocks: Mutex::default(),
            lag_ms: AtomicU64::new(0),
            reported: Notify::new(),
            stopping: watch::Sender::new(false),
            under_way: TaskTracker::new(),
            health: Health::default(),
            levels: Arc::new(Levels::new()),
            sender: Sender::new(&config.webhook),
            pauses: config.webhook.pauses.clone(),
        }))
    }

    /// Takes the tokens and the prices of `config`; everything else stays as it was at the start.
    ///
    /// # Errors
    /// Where the store does not take the tokens; then nothing has changed.
    pub async fn reload(&self, config: &Config) -> Result<(), StoreError> {
        let by = By::service(Millis::now());
        let settings = Arc::new(Settings::of(config));
        configured::configure(self.store.as_ref(), config, &by).await?;
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }

    /// The token of a request, if it opens this listener.
    ///
    /// # Errors
    /// 401 with what is wrong; 503 where the store does not answer.
    pub(crate) async fn authenticate(
        &self,
        listener: Listener,
        parts: &Parts,
    ) -> Result<ServiceToken, ApiError> {
        self.authenticator
            .authenticate(&self.store, &self.metrics, listener, parts)
            .await
    }

    /// Whether it can do its work, within a second.
    pub async fn readiness(&self) -> Readiness {
        let stopping = *self.stopping.borrow();
        self.health.readiness(&self.store, stopping).await
    }

    /// The address of a page for a browser: under the public URL, or the management listener where there is none.
    #[must_use]
    pub fn page_url(&self, path: &str) -> String {
        page_url(&self.people, self.admin_addr, path)
    }

    fn settings(&self) -> Arc<Settings> {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&settings)
    }

    /// The event with its price. A key in its model, endpoint or request id, which a client may have put there by mistake,
    /// is left out.
    #[must_use]
    pub fn price(&self, mut event: UsageEvent) -> Priced {
        if event
            .model
            .as_ref()
            .is_some_and(|m| holds_key(m.as_str().as_bytes()))
        {
            event.model = None;
        }
        event.endpoint = Label::clip(&redact(event.endpoint.as_str()));
        event.request_id = Label::clip(&redact(event.request_id.as_str()));
        self.settings().prices.price(event)
    }
    /// The operator's own prices.
    pub(crate) fn own_prices(&self) -> OwnPrices {
        self.settings().prices.own()
    }

    /// What a model costs at `now`.
    pub(crate) fn quote(&self, model: &str, now: Millis) -> Quote {
        self.settings().prices.quote(model, now)
    }
}

fn page_url(people: &PeopleConfig, admin_addr: SocketAddr, path: &str) -> String {
    match &people.public_url {
        Some(url) => format!("{url}{path}"),
        None => format!("http://{admin_addr}{path}"),
    }
}
