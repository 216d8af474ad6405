//! A running service without its listeners: what every handler has.

use std::sync::Arc;
use std::time::Duration;

use gmtech_core::ident::TierName;
use gmtech_core::sync::events::{Label, UsageEvent};
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use crate::clock::{DAY_MS, Millis};
use crate::config::{Config, Database};
use crate::health::Health;
use crate::high_water::HighWater;
use crate::intake::Intake;
use crate::price::PriceBook;
use crate::secret::{self, Token, TokenDigest};
use crate::store::sql::SqlStore;
use crate::store::{By, NewAdminToken, Priced, Role, Store, StoreError};

/// How long an idempotency token and a proxy's name are remembered, in milliseconds: a week.
const REMEMBERED: i64 = 7 * DAY_MS;

/// How long a response or a completion is remembered, in milliseconds: OpenAI keeps them for 30 days.
const OBJECTS_REMEMBERED: i64 = 60 * DAY_MS;

/// What every handler has.
pub struct Service {
    /// The data.
    pub store: Arc<dyn Store>,
    /// The way of usage into the data.
    pub intake: Intake,
    /// The prices.
    pub prices: PriceBook,
    /// The tiers that a key may have.
    pub tiers: Vec<TierName>,
    /// How many whole days raw events are kept.
    pub keep_events_days: u32,
    /// How long a proxy counts as live.
    pub live_window: Duration,
    pub(crate) sync_token: TokenDigest,
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
        store
            .create_token(first_token(&config.admin_token), &by)
            .await?;
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
            prices: PriceBook::new(config.prices.clone()),
            tiers: config.tiers.clone(),
            keep_events_days: config.keep_events_days,
            live_window: config.live_window,
            sync_token: config.sync_token.digest(),
            high_water,
            reported: Notify::new(),
            stopping: watch::Sender::new(false),
            under_way: TaskTracker::new(),
            health: Health::default(),
        }))
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
        self.prices.price(event)
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
        if opened > 0 || closed > 0 {
            tracing::info!(
                budgets_opened = opened,
                events_dropped = closed,
                "housekeeping"
            );
        }
        Ok(())
    }
}

fn first_token(token: &Token) -> NewAdminToken {
    let digest = token.digest();
    NewAdminToken {
        // The same token always has the same id; eight bytes of a digest reveal nothing of 256 random bits.
        id: format!(
            "tok_{}",
            hex::encode(digest.iter().take(8).copied().collect::<Vec<_>>())
        ),
        name: "first administrator".into(),
        digest,
        role: Role::Admin,
        team: None,
    }
}
