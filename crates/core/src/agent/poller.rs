//! The poller: polls the key service for changes and writes them to the shared store. One worker of the process polls
//! at a time.
//!
//! Every worker ticks, and the one that holds the poll lease polls. The lease is renewed at every tick, so that a
//! worker that dies is replaced within [`LEASE`]. The service answers a poll when there is news, so that a revocation
//! arrives as soon as it is made. The poll belongs to the worker and not to a configuration: while a configuration is
//! replaced, the old and the new one may both send polls, to the service that was configured last.
//!
//! # Failure policy
//! The poller pauses when an answer is missing, cannot be read, or does not follow the applied version. Each further
//! failure doubles the pause. If the store fails, nothing is sent until the next tick.

use super::Call;
use crate::config::ServicePolicy;
use crate::directory::{self, held, poll_lease, proxy_name, watched};
use crate::shared::CounterStore;
use crate::sync::Frame;
use crate::sync::versions::KEYS;
use crate::telemetry::{Metric, Telemetry};
use crate::time::{Nanos, SECOND};

const MILLI: Nanos = 1_000_000;

/// How long the lease lasts without renewal.
const LEASE: Nanos = 700 * MILLI;

/// How long the service waits for news before it answers a poll. Even an answer without news shows that the service is
/// alive, so that the gate does not report itself degraded.
const WAIT: Nanos = 3 * SECOND;

/// How much longer than [`WAIT`] an answer may take.
const ANSWER_MARGIN: Nanos = 2 * SECOND;

/// How long after a poll its answer counts as lost. The host gives up [`ANSWER_MARGIN`] after [`WAIT`]; a second is added.
const LOST_AFTER: Nanos = WAIT + ANSWER_MARGIN + SECOND;

/// The pause after the first failure. It doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Nanos = 200 * MILLI;
const LONGEST_PAUSE: Nanos = 2 * SECOND;

/// The version of the filter, which the service shows.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A poll that is not answered yet.
#[derive(Debug)]
struct UnderWay {
    /// The host's number for the call; `None` until it is sent.
    call: Option<u32>,
    /// The configuration that sends it.
    config: u32,
    lost_at: Nanos,
}

/// The polling state of one worker.
#[derive(Debug)]
pub(super) struct Poller {
    /// Identifies this worker as a holder of the lease; never 0.
    holder: u64,
    under_way: Option<UnderWay>,
    /// Whether a poll should be sent.
    due: bool,
    not_before: Nanos,
    pause: Nanos,
}

impl Poller {
    /// Makes the poller of the worker that `holder` identifies.
    pub(super) fn new(holder: u64) -> Self {
        Self {
            holder: holder.max(1),
            under_way: None,
            due: false,
            not_before: 0,
            pause: 0,
        }
    }

    /// Takes or renews the lease, and gives up a poll whose answer is overdue.
    pub(super) fn tick(&mut self, store: &impl CounterStore, now: Nanos) {
        if self.under_way.as_ref().is_some_and(|u| u.lost_at <= now) {
            self.under_way = None;
            self.rest(now);
        }
        let held = poll_lease::take(store, self.holder, LEASE, now).unwrap_or(false);
        self.due = held && self.under_way.is_none() && now >= self.not_before;
    }

    /// Returns the poll that `config` should send, if one is due.
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
        let path = self.path(service, store, now)?;
        self.under_way = Some(UnderWay {
            call: None,
            config,
            lost_at: now.saturating_add(LOST_AFTER),
        });
        Some(Call::get(service, path, WAIT + ANSWER_MARGIN))
    }

    /// The path of the poll: it requests the changes after the applied version.
    fn path(
        &self,
        service: &ServicePolicy,
        store: &impl CounterStore,
        now: Nanos,
    ) -> Option<String> {
        let state = directory::state(store).ok()?;
        // After a failure the service should answer at once, to show that it is back.
        let wait = if self.pause == 0 { WAIT / MILLI } else { 0 };
        // A poll that names the proxy is a receipt. The pages of a snapshot are requested without one, since the
        // snapshot is not applied before its last page.
        let receipt = if state.writing == state.generation {
            let proxy = proxy_name::parameter(store, self.holder).unwrap_or_default();
            let watch = watched::read(store, now).unwrap_or_default().version;
            let held = held::read(store, &state).unwrap_or_default();
            format!(
                "{proxy}&filter={VERSION}&held={held}{}&watch={watch}",
                service.tiers
            )
        } else {
            String::new()
        };
        // A service that was restored from an older backup recognises that by `seen`.
        let seen = directory::seen(store, &state).unwrap_or(state.version);
        Some(format!(
            "/sync/v1/changes?epoch={}&since={}&seen={seen}&wait={wait}&{keys}{receipt}",
            state.epoch,
            state.version,
            keys = KEYS.parameter(),
        ))
    }

    /// Reports that the host sent the poll; `call` is the host's number for it, or `None` if it could not be sent.
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

    /// Applies the answer to a call, or notes its failure (`None`). Returns whether the call was the poll.
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

    /// Gives up the poll of a retired configuration, since no answer to it will arrive.
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
