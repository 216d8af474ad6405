//! The poller: one worker of the process asks the key service for changes and writes them to the shared store.
//!
//! Every configuration ticks; whose worker holds the lease polls. It is renewed at every tick, so that a worker that dies is
//! replaced within [`LEASE`]. The service holds a poll until there is news, so that a revocation is here as soon as it is
//! made. What is under way belongs to the worker: while a configuration is replaced, its old and its new instance take
//! turns, and both ask the service that was configured last.
//!
//! # Failure policy
//! An answer that is missing, cannot be read or does not follow on what is applied pauses the poller, twice as long each
//! time. A store that fails leaves it at rest until the next tick.

use super::Call;
use crate::config::ServicePolicy;
use crate::directory::{self, poll_lease, proxy_name};
use crate::shared::CounterStore;
use crate::sync::Frame;
use crate::sync::versions::KEYS;
use crate::telemetry::{Metric, Telemetry};
use crate::time::{Nanos, SECOND};

const MILLI: Nanos = 1_000_000;

/// How long the lease is held without being renewed.
const LEASE: Nanos = 700 * MILLI;

/// How long the service holds a poll without news. Its answers are the sign of life that keeps the gate from calling itself
/// degraded.
const WAIT: Nanos = 3 * SECOND;

/// Added to the wait: an answer that takes longer will not come.
const PATIENCE: Nanos = 2 * SECOND;

/// From when on no answer will come any more: the host has given up [`PATIENCE`] after the wait.
const LOST_AFTER: Nanos = WAIT + PATIENCE + SECOND;

/// After a failure, doubled up to the longest.
const FIRST_PAUSE: Nanos = 200 * MILLI;
const LONGEST_PAUSE: Nanos = 2 * SECOND;

/// A poll whose answer has not come.
#[derive(Debug)]
struct UnderWay {
    /// The host's number of the call; `None` until it was sent.
    call: Option<u32>,
    /// The configuration that asked.
    config: u32,
    lost_at: Nanos,
}

/// What a worker remembers of polling.
#[derive(Debug)]
pub(super) struct Poller {
    /// This worker's number among those that may hold the lease; never 0.
    holder: u64,
    under_way: Option<UnderWay>,
    /// A poll is to be sent.
    due: bool,
    not_before: Nanos,
    pause: Nanos,
}

impl Poller {
    /// For the worker of that number.
    pub(super) fn new(holder: u64) -> Self {
        Self {
            holder: holder.max(1),
            under_way: None,
            due: false,
            not_before: 0,
            pause: 0,
        }
    }

    /// Time passes: the lease is taken or renewed, and what no answer will come to is given up.
    pub(super) fn tick(&mut self, store: &impl CounterStore, now: Nanos) {
        if self.under_way.as_ref().is_some_and(|u| u.lost_at <= now) {
            self.under_way = None;
            self.rest(now);
        }
        let held = poll_lease::take(store, self.holder, LEASE, now).unwrap_or(false);
        self.due = held && self.under_way.is_none() && now >= self.not_before;
    }

    /// The poll that `config` should send now.
    pub(super) fn poll(
        &mut self,
        config: u32,
        service: &ServicePolicy,
        store: &impl CounterStore,
        now: Nanos,
    ) -> Option<Call> {
        if !std::mem::take(&mut self.due) {
            return None;
        }
        let path = self.path(store)?;
        self.under_way = Some(UnderWay {
            call: None,
            config,
            lost_at: now.saturating_add(LOST_AFTER),
        });
        Some(Call::get(service, path, WAIT + PATIENCE))
    }

    /// What is asked for: what follows on what is applied.
    fn path(&self, store: &impl CounterStore) -> Option<String> {
        let state = directory::state(store).ok()?;
        // After a failure the first answer is wanted at once: it says that the service is back.
        let wait = if self.pause == 0 { WAIT / MILLI } else { 0 };
        // While a snapshot is under way its next page is asked for without a receipt: it is not applied yet.
        let proxy = if state.writing == state.generation {
            proxy_name::parameter(store, self.holder).unwrap_or_default()
        } else {
            String::new()
        };
        // So that a service that went back notices by itself.
        let seen = directory::seen(store, &state).unwrap_or(state.version);
        Some(format!(
            "/sync/v1/changes?epoch={}&since={}&seen={seen}&wait={wait}&{keys}{proxy}",
            state.epoch,
            state.version,
            keys = KEYS.parameter(),
        ))
    }

    /// The poll was sent as the host's call of that number, or could not be.
    pub(super) fn sent(&mut self, call: Option<u32>, now: Nanos) {
        match (call, &mut self.under_way) {
            (Some(_), Some(under_way)) => under_way.call = call,
            (None, Some(_)) => {
                self.under_way = None;
                self.rest(now);
            }
            (_, None) => {}
        }
    }

    /// A call was answered with this success, or failed. Whether it was the poll.
    pub(super) fn answered(
        &mut self,
        call: u32,
        answer: Option<&[u8]>,
        host: &(impl CounterStore + Telemetry),
        now: Nanos,
    ) -> bool {
        if self.under_way.as_ref().is_none_or(|u| u.call != Some(call)) {
            return false;
        }
        self.under_way = None;
        let applied = match answer.map(Frame::decode) {
            Some(Ok(frame)) => directory::apply(host, &frame, now).unwrap_or(false),
            Some(Err(error)) => {
                host.warn(&format!("the key service's answer cannot be read: {error}"));
                false
            }
            None => false,
        };
        let outcome = if applied { "applied" } else { "failed" };
        host.measure(Metric::Sync, &[outcome], 1);
        if applied {
            self.pause = 0;
            self.due = true;
        } else {
            self.rest(now);
        }
        true
    }

    /// A configuration is gone, and with it the answer to what it has asked.
    pub(super) fn retired(&mut self, config: u32) {
        if self.under_way.as_ref().is_some_and(|u| u.config == config) {
            self.under_way = None;
        }
    }

    fn rest(&mut self, now: Nanos) {
        let pause = self.pause.saturating_mul(2);
        self.pause = pause.clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.not_before = now.saturating_add(self.pause);
    }
}

#[cfg(test)]
mod tests;
