//! A running service without its listeners: the state that every handler shares.

mod configured;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::request::Parts;
use gmtech_core::ident::TierName;
use gmtech_core::key::{holds_key, redact};
use gmtech_core::sync::events::{Label, UsageEvent};
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::task::TaskTracker;

use crate::authenticate::{Authenticator, Listener};
use crate::clock::{DAY_MS, Millis, Reading};
use crate::config::{Config, Database};
use crate::db;
use crate::error::ApiError;
use crate::health::{Health, Readiness};
use crate::intake::Intake;
use crate::journal::{self, Journal, JournalFile};
use crate::metrics::Metrics;
use crate::price::PriceBook;
use crate::proven;
use crate::store::{Budgeted, By, Priced, ServiceToken, Store, StoreError};

/// How long an idempotency token and a proxy's name are remembered, in milliseconds: a week.
const REMEMBERED: i64 = 7 * DAY_MS;

/// How long a response or a completion is remembered, in milliseconds: OpenAI keeps them for 30 days.
const OBJECTS_REMEMBERED: i64 = 60 * DAY_MS;

/// The settings that can be replaced while the service runs.
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

/// How often budgets of a new day are opened and old days closed.
const HOUSEKEEPING: Duration = Duration::from_secs(30);

/// From this lag of the proven time on it is logged, in milliseconds: a day.
const LONG_LAG: u64 = 86_400_000;

/// The last readings of the machine's clocks.
struct Clocks {
    proven: proven::Watch,
    looked: Option<Reading>,
    /// Whether budgets may have been judged by a wrong clock: it has jumped, or the service has just started.
    doubtful: bool,
    /// When housekeeping began last, by the uptime.
    kept_house: Option<Duration>,
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
    settings: RwLock<Arc<Settings>>,
    pub(crate) journal: Journal,
    /// Says to other programs that the database is in use.
    _lock: Option<db::Lock>,
    clocks: Mutex<Clocks>,
    lag_ms: AtomicU64,
    /// Wakes up those who wait for receipts.
    pub(crate) reported: Notify,
    /// Turns true when the service stops.
    pub(crate) stopping: watch::Sender<bool>,
    /// Changes under way, including those whose client has hung up.
    pub(crate) under_way: TaskTracker,
    health: Health,
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
            settings: RwLock::new(Arc::new(Settings::of(config))),
            keep_events_days: config.keep_events_days,
            live_window: config.live_window,
            journal: Journal::keep(config.journal.clone(), store),
            _lock: lock,
            clocks: Mutex::new(Clocks {
                proven: proven::Watch::default(),
                looked: None,
                doubtful: true,
                kept_house: None,
            }),
            lag_ms: AtomicU64::new(0),
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

    fn settings(&self) -> Arc<Settings> {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&settings)
    }

    /// The tiers that a key may have.
    #[must_use]
    pub fn tiers(&self) -> Vec<TierName> {
        self.settings().tiers.clone()
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

    /// Reads the clocks, and does the housekeeping when it is due or the wall clock has jumped. To be called every second.
    ///
    /// # Errors
    /// Where the store does not answer; nothing is lost, the next time does it.
    pub async fn tick(&self, now: Reading) -> Result<(), StoreError> {
        let (jumped, due) = {
            let mut clocks = self.clocks.lock().await;
            let jumped = clocks.looked.and_then(|before| proven::jump(before, now));
            clocks.looked = Some(now);
            clocks.doubtful |= jumped.is_some();
            let due = clocks
                .kept_house
                .is_none_or(|at| now.uptime.saturating_sub(at) >= HOUSEKEEPING);
            (jumped, due)
        };
        if let Some(by_ms) = jumped {
            tracing::warn!(
                by_ms,
                "the wall clock has jumped: all budgets are judged anew"
            );
        }
        if jumped.is_some() || due {
            self.housekeeping(now).await?;
        }
        Ok(())
    }

    /// Housekeeping: moves the proven time on, judges budgets for a new day, closes old days.
    ///
    /// # Errors
    /// Where the store does not answer; nothing is lost, the next time does it.
    pub async fn housekeeping(&self, now: Reading) -> Result<(), StoreError> {
        let mut clocks = self.clocks.lock().await;
        clocks.kept_house = Some(now.uptime);
        let stored = self.store.proven().await?;
        let mut proven = clocks.proven.step(stored, now);
        if stored != Some(proven) && !self.store.prove(stored, proven).await? {
            // Another service was faster: it is the one that moves it.
            proven = stored.unwrap_or(proven);
        }
        // Where the wall clock is behind, it may be the one that is right.
        let proven = proven.min(now.wall);
        self.note_lag(now.wall.0.saturating_sub(proven.0));
        let which = if clocks.doubtful {
            Budgeted::All
        } else {
            Budgeted::Spent
        };
        let opened = self.store.judge_budgets(which, now.wall).await?;
        clocks.doubtful = false;
        let closed = self
            .store
            .close_days_before(proven.day() - i64::from(self.keep_events_days))
            .await?;
        let before = |span: i64| Millis(proven.0.saturating_sub(span));
        self.store.forget(before(REMEMBERED)).await?;
        self.store
            .forget_objects(before(OBJECTS_REMEMBERED))
            .await?;
        self.note_tokens_used().await?;
        if opened > 0 || closed > 0 {
            tracing::info!(
                budgets_changed = opened,
                events_dropped = closed,
                "housekeeping"
            );
        }
        Ok(())
    }

    /// By how much the proven time is behind the wall clock. Raw events are kept that much longer.
    #[must_use]
    pub fn clock_lag(&self) -> Duration {
        Duration::from_millis(self.lag_ms.load(Ordering::Relaxed))
    }

    /// Notes the lag, and logs once when it becomes long.
    fn note_lag(&self, lag_ms: i64) {
        let lag = u64::try_from(lag_ms).unwrap_or(0);
        let before = self.lag_ms.swap(lag, Ordering::Relaxed);
        if lag >= LONG_LAG && before < LONG_LAG {
            tracing::warn!(
                lag_seconds = lag / 1000,
                "the wall clock is ahead of the time that services have run through: either they were stopped for that \
                 long, or the clock is wrong. Old data is kept for that much longer. If the clock is right, start once \
                 with --trust-clock"
            );
        }
    }

    async fn note_tokens_used(&self) -> Result<(), StoreError> {
        let used = self.authenticator.take_used();
        if used.is_empty() {
            return Ok(());
        }
        let noted = self.store.note_tokens_used(&used).await;
        if noted.is_err() {
            for (id, at) in used {
                self.authenticator.note_use(&id, at);
            }
        }
        noted
    }
}
