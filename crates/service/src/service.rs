//! A running service without its listeners: what every handler has.

mod configured;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use gmtech_core::ident::TierName;
use gmtech_core::sync::events::{Label, UsageEvent};
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use crate::authenticate::Door;
use crate::clock::{DAY_MS, Millis};
use crate::config::{Config, Database};
use crate::health::Health;
use crate::high_water::HighWater;
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::price::PriceBook;
use crate::secret;
use crate::store::sql::SqlStore;
use crate::store::{By, Priced, Store, StoreError};

/// How long an idempotency token and a proxy's name are remembered, in milliseconds: a week.
const REMEMBERED: i64 = 7 * DAY_MS;

/// How long a response or a completion is remembered, in milliseconds: OpenAI keeps them for 30 days.
const OBJECTS_REMEMBERED: i64 = 60 * DAY_MS;

/// What can be replaced while the service runs.
struct Settings {
    prices: PriceBook,
    tiers: Vec<TierName>,
}

impl Settings {
    fn of(config: &Config) -> Self {
        Self {
            prices: PriceBook::new(config.prices.clone()),
            tiers: config.tiers.clone(),
        }
    }
}

/// What every handler has.
pub struct Service {
    /// The data.
    pub store: Arc<dyn Store>,
    /// The way of usage into the data.
    pub intake: Intake,
    /// Counters for Prometheus.
    pub metrics: Metrics,
    /// How many whole days raw events are kept.
    pub keep_events_days: u32,
    /// How long a proxy counts as live.
    pub live_window: Duration,
    pub(crate) door: Door,
    settings: RwLock<Arc<Settings>>,
    pub(crate) high_water: HighWater,
    /// Wakes up those who wait for receipts.
    pub(crate) reported: Notify,
    /// Turns true when the service stops.
    pub(crate) stopping: watch::Sender<bool>,
    /// Changes under way, also those whose client has gone.
    pub(crate) under_way: TaskTracker,
    pub(crate) health: Health,
}

impl Service {
    /// Opens the store, stores the first token, and finds out whether the database is older than what was served.
    ///
    /// # Errors
    /// Where the store cannot be opened.
    pub async fn open(config: &Config) -> Result<Arc<Self>, StoreError> {
        let store: Arc<dyn Store> = match &config.database {
            Database::Sqlite(path) => Arc::new(SqlStore::sqlite(path).await?),
            Database::Postgres(url) => Arc::new(SqlStore::postgres(url).await?),
        };
        Self::with_store(config, store).await
    }

    /// As [`Service::open`], over a store that is open already.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn with_store(
        config: &Config,
        store: Arc<dyn Store>,
    ) -> Result<Arc<Self>, StoreError> {
        let by = By {
            actor: "service".into(),
            now: Millis::now(),
        };
        configured::configure(store.as_ref(), config, &by).await?;
        let high_water = HighWater::open(config.high_water.clone());
        let head = store.head().await?;
        let why = match (config.new_epoch, high_water.is_ahead_of(head)) {
            (true, _) => Some("as the operator asked"),
            (_, true) => Some("the database is older than what was served"),
            _ => None,
        };
        if let Some(why) = why {
            tracing::warn!(version = head.version, why, "starting a new epoch");
            store.new_epoch(why, &by).await?;
        }
        Ok(Arc::new(Self {
            intake: Intake::start(store.clone()),
            store,
            metrics: Metrics::default(),
            door: Door::new(),
            settings: RwLock::new(Arc::new(Settings::of(config))),
            keep_events_days: config.keep_events_days,
            live_window: config.live_window,
            high_water,
            reported: Notify::new(),
            stopping: watch::Sender::new(false),
            under_way: TaskTracker::new(),
            health: Health::default(),
        }))
    }

    /// Takes the tokens, the prices and the tiers of `config`; everything else stays as it was at the start.
    ///
    /// # Errors
    /// Where the store does not take the tokens; then nothing has changed.
    pub async fn reload(&self, config: &Config) -> Result<(), StoreError> {
        let by = By {
            actor: "service".into(),
            now: Millis::now(),
        };
        let settings = Arc::new(Settings::of(config));
        configured::configure(self.store.as_ref(), config, &by).await?;
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }

    fn settings(&self) -> Arc<Settings> {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&settings)
    }

    /// The tiers that a key may have.
    #[must_use]
    pub fn tiers(&self) -> Vec<TierName> {
        self.settings().tiers.clone()
    }

    /// The event with its price. A model or endpoint that holds a key, which a client may have put there by mistake,
    /// is left out.
    #[must_use]
    pub fn price(&self, mut event: UsageEvent) -> Priced {
        if event
            .model
            .as_ref()
            .is_some_and(|m| secret::redact(m.as_str()) != m.as_str())
        {
            event.model = None;
        }
        event.endpoint = Label::clip(&secret::redact(event.endpoint.as_str()));
        self.settings().prices.price(event)
    }

    /// What has to be done now and then: budgets of a new day, days that close.
    ///
    /// # Errors
    /// Where the store does not answer; nothing is lost, the next time does it.
    pub async fn housekeeping(&self, now: Millis) -> Result<(), StoreError> {
        let opened = self.store.refresh_budgets(now).await?;
        let closed = self
            .store
            .close_days_before(now.day() - i64::from(self.keep_events_days))
            .await?;
        self.store.forget(Millis(now.0 - REMEMBERED)).await?;
        self.store
            .forget_objects(Millis(now.0 - OBJECTS_REMEMBERED))
            .await?;
        self.note_tokens_used().await?;
        if opened > 0 || closed > 0 {
            tracing::info!(
                budgets_opened = opened,
                events_dropped = closed,
                "housekeeping"
            );
        }
        Ok(())
    }

    async fn note_tokens_used(&self) -> Result<(), StoreError> {
        let used = self.door.take_used();
        if used.is_empty() {
            return Ok(());
        }
        let noted = self.store.note_tokens_used(&used).await;
        if noted.is_err() {
            for (id, at) in used {
                self.door.note_use(&id, at);
            }
        }
        noted
    }
}
