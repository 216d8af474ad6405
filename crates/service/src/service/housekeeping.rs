//! Housekeeping: what a service does by the clock, without being asked.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Service;
use crate::clock::{DAY_MS, Millis, Reading};
use crate::proven;
use crate::store::{Budgeted, By, StoreError};

/// How long an idempotency token and a proxy's name are remembered, in milliseconds: a week.
const REMEMBERED: i64 = 7 * DAY_MS;

/// How long a response or a completion is remembered, in milliseconds: OpenAI keeps them for 30 days.
const OBJECTS_REMEMBERED: i64 = 60 * DAY_MS;

/// How long an invitation is kept after it was accepted or revoked or has ended, in milliseconds: a week.
const INVITATIONS_KEPT: i64 = 7 * DAY_MS;

/// How long an account of which nothing is left is kept after its last sign-in, in milliseconds.
const PEOPLE_KEPT: i64 = 90 * DAY_MS;

/// How often budgets of a new day are opened and old days closed.
const HOUSEKEEPING: Duration = Duration::from_secs(30);

/// How often it is looked for keys that expire soon and for old alerts.
const ALERTS: Duration = Duration::from_secs(600);

/// How long alerts are kept, in milliseconds: 90 days.
const ALERTS_KEPT: i64 = 90 * DAY_MS;

/// From this lag of the proven time on it is logged, in milliseconds: a day.
const LONG_LAG: u64 = 86_400_000;

/// The last readings of the machine's clocks.
pub(super) struct Clocks {
    proven: proven::Watch,
    looked: Option<Reading>,
    /// Whether budgets may have been judged by a wrong clock: it has jumped, or the service has just started.
    doubtful: bool,
    /// When housekeeping began last, by the uptime.
    kept_house: Option<Duration>,
    /// When alerts were looked after last, by the uptime.
    kept_alerts: Option<Duration>,
}

impl Default for Clocks {
    fn default() -> Self {
        Self {
            proven: proven::Watch::default(),
            looked: None,
            doubtful: true,
            kept_house: None,
            kept_alerts: None,
        }
    }
}

impl Service {
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
        self.keep_sessions(proven).await?;
        let due = |at: Duration| now.uptime.saturating_sub(at) >= ALERTS;
        if clocks.kept_alerts.is_none_or(due) {
            self.store.alert_expiring(now.wall).await?;
            self.store.forget_alerts(before(ALERTS_KEPT)).await?;
            clocks.kept_alerts = Some(now.uptime);
        }
        self.store
            .forget_invitations(before(INVITATIONS_KEPT))
            .await?;
        let by = By::service(now.wall);
        let forgotten = self.store.forget_people(before(PEOPLE_KEPT), &by).await?;
        if forgotten > 0 {
            tracing::info!(forgotten, "accounts of which nothing was left were removed");
        }
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
