//! The state of a worker that outlives a stream, and its contact with the key service: polls, usage events, renewals of
//! places in flight, counts of held bodies, and levels of limits that somebody watches.
//!
//! The agent does no IO: events and answers go in, calls to send come out, and the time is an argument. The host sends
//! the calls and decides nothing.
//!
//! # Order of calls
//! The host calls [`Agent::configured`] when a configuration comes into force and [`Agent::retired`] when it is gone.
//! It calls [`Agent::tick`] every [`TICK`] for each configuration, and [`Agent::answered`] when a call has ended. After
//! either of these, it calls [`Agent::poll`] until that returns `None`, sends each call, and reports with
//! [`Agent::sent`] whether that succeeded. A call ends with the configuration that sent it.
//!
//! # Failure policy
//! A call that fails is retried: the poller and the outbox each pause, and double the pause at each failure. If a place
//! in flight cannot be renewed, a warning is logged, and the next renewal tries again.

use crate::config::ServicePolicy;
use crate::holding::Holding;
use crate::shared::CounterStore;
use crate::sync::events::UsageEvent;
use crate::telemetry::{Metric, Telemetry};
use crate::time::Nanos;

mod call;
mod outbox;
mod poller;
mod renewal;
mod reporter;
mod services;

pub use call::Call;
use outbox::{Outbox, PostId};
use poller::Poller;
use renewal::Renewal;
use reporter::Reporter;
use services::Services;

/// The interval of [`Agent::tick`].
pub const TICK: Nanos = 100_000_000;

/// Identifies a call between [`Agent::poll`] and [`Agent::sent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId(Purpose);

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Poll,
    Report,
    Post(PostId),
}

/// The state of a worker that outlives a stream. It belongs to the worker and not to a configuration, because two
/// configurations are in force while one replaces the other.
#[derive(Debug)]
pub struct Agent {
    services: Services,
    poller: Poller,
    outbox: Outbox,
    pub(crate) renewal: Renewal,
    pub(crate) holding: Holding,
    pub(crate) reporter: Reporter,
    /// The worker's random seed, and the number of event ids made so far.
    ids: (u64, u64),
    /// Whether the next polls also send batches that are not full.
    flushes: bool,
}

impl Agent {
    /// Makes the agent of a worker. `seed` is random, and no other worker may have the same one.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            services: Services::default(),
            poller: Poller::new(seed),
            outbox: Outbox::default(),
            renewal: Renewal::default(),
            holding: Holding::default(),
            reporter: Reporter::default(),
            ids: (seed, 0),
            flushes: false,
        }
    }

    /// Notes that a configuration is in force. `service` is its key service, if it has one.
    pub fn configured(&mut self, config: u32, service: Option<&ServicePolicy>) {
        self.services.configured(config, service);
    }

    /// Notes that a configuration is gone. Its calls get no answer any more; another configuration repeats them.
    pub fn retired(&mut self, config: u32) {
        self.services.retired(config);
        self.poller.retired(config);
        self.reporter.retired(config);
        self.outbox.retired(config);
    }

    /// Renews places in flight, takes or renews the poll lease, and takes back calls that got no answer in time.
    pub fn tick(&mut self, host: &(impl CounterStore + Telemetry), now: Nanos) {
        if self.renewal.tick(host, now) > 0 {
            host.warn("a place in flight could not be renewed");
        }
        if self.services.current().is_some() {
            self.poller.tick(host, now);
            self.reporter.tick(host, now);
        }
        self.outbox.tick(&self.services, now);
        self.flushes = true;
    }

    /// Returns the next call that `config` should send; `None` if there is none. Before it returns `None`, it reports
    /// the counts of usage events since the last tick as metrics.
    pub fn poll(
        &mut self,
        config: u32,
        host: &(impl CounterStore + Telemetry),
        now: Nanos,
    ) -> Option<(CallId, Call)> {
        if let Some(service) = self.services.current()
            && let Some(call) = self.poller.poll(config, service, host, now)
        {
            return Some((CallId(Purpose::Poll), call));
        }
        if let Some(service) = self.services.current()
            && let Some(call) = self.reporter.poll(config, service, host, now)
        {
            return Some((CallId(Purpose::Report), call));
        }
        let post = self.outbox.poll(config, &self.services, self.flushes, now);
        if let Some(post) = post {
            let id = CallId(Purpose::Post(post.id));
            return Some((id, post.into_call()));
        }
        if std::mem::take(&mut self.flushes) {
            let counts = self.outbox.take_counts();
            for (metric, count) in [
                (Metric::UsagePosted, counts.posted),
                (Metric::UsageRetries, counts.retried),
                (Metric::UsageDropped, counts.dropped),
                (Metric::UsageRefusalsDropped, counts.refusals_dropped),
            ] {
                host.measure(metric, &[], count);
            }
        }
        None
    }

    /// Reports that the host sent the call; `call` is the host's number for it, or `None` if it could not be sent.
    pub fn sent(&mut self, id: CallId, call: Option<u32>, now: Nanos) {
        match (id.0, call) {
            (Purpose::Poll, call) => self.poller.sent(call, now),
            (Purpose::Report, call) => self.reporter.sent(call),
            (Purpose::Post(id), Some(call)) => self.outbox.sent(id, call),
            (Purpose::Post(id), None) => self.outbox.failed(id, now),
        }
    }

    /// Reports that a call has ended. `answer` is the body of a 2xx answer, or `None` after any failure.
    pub fn answered(
        &mut self,
        call: u32,
        answer: Option<&[u8]>,
        host: &(impl CounterStore + Telemetry),
        now: Nanos,
    ) {
        if !self.reporter.answered(call) && !self.poller.answered(call, answer, host, now) {
            self.outbox.answered(call, answer.is_some(), now);
        }
    }

    /// Makes the id of a new event, from the seed and a count.
    pub(crate) fn new_id(&mut self) -> [u8; 16] {
        let (seed, count) = &mut self.ids;
        *count = count.wrapping_add(1);
        (u128::from(*seed) << 64 | u128::from(*count)).to_be_bytes()
    }

    /// Forgets what the stream holds: its place in flight and its part of the counted bodies.
    pub(crate) fn release(&mut self, stream: u32) {
        self.renewal.release(stream);
        self.holding.release(stream);
    }

    /// Queues an event for `service`, the service of the policy under which the event was made.
    pub(crate) fn push(&mut self, event: UsageEvent, service: &ServicePolicy, now: Nanos) {
        self.outbox.push(event, service, &self.services, now);
    }
}

#[cfg(test)]
pub(crate) mod test_host;
#[cfg(test)]
mod tests;
