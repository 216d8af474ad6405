//! What a worker keeps beyond one stream, and how it keeps in touch with the key service.
//!
//! Sans IO: events and answers go in, what is to be sent comes out, and the present is an argument. A host carries it out and
//! decides nothing.
//!
//! # Order of calls
//! [`Agent::configured`] and [`Agent::retired`] say which configurations live. [`Agent::tick`] comes every [`TICK`] from each
//! of them, and [`Agent::answered`] for each call that has ended. After either, the host sends what [`Agent::poll`] gives
//! until there is none, and says of each call whether it was [`sent`](Agent::sent). A call lives no longer than the
//! configuration in whose name it was sent.

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
mod services;

pub use call::Call;
use outbox::{Outbox, PostId};
use poller::Poller;
use renewal::Renewal;
use services::Services;

/// How often each configuration looks what there is to do.
pub const TICK: Nanos = 100_000_000;

/// Names a call in what is said of it afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId(Errand);

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errand {
    Poll,
    Post(PostId),
}

/// All that a worker keeps beyond one stream. It belongs to the worker and not to a configuration: those come and go, and
/// two of them live side by side while one is replaced.
#[derive(Debug)]
pub struct Agent {
    services: Services,
    poller: Poller,
    outbox: Outbox,
    pub(crate) renewal: Renewal,
    pub(crate) holding: Holding,
    /// What tells this worker from others, and how many events it has named.
    ids: (u64, u64),
    /// Events are sent that fill no batch yet.
    flushes: bool,
}

impl Agent {
    /// For a worker that shares this random `seed` with no other.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            services: Services::default(),
            poller: Poller::new(seed),
            outbox: Outbox::default(),
            renewal: Renewal::default(),
            holding: Holding::default(),
            ids: (seed, 0),
            flushes: false,
        }
    }

    /// A configuration is in force, with a service or without.
    pub fn configured(&mut self, config: u32, service: Option<&ServicePolicy>) {
        self.services.configured(config, service);
    }

    /// A configuration is gone, and with it the answers to what was sent in its name: another one goes on with it.
    pub fn retired(&mut self, config: u32) {
        self.services.retired(config);
        self.poller.retired(config);
        self.outbox.retired(config);
    }

    /// Time passes.
    pub fn tick(&mut self, host: &(impl CounterStore + Telemetry), now: Nanos) {
        if self.renewal.tick(host, now) > 0 {
            host.warn("a place in flight could not be renewed");
        }
        if self.services.current().is_some() {
            self.poller.tick(host, now);
        }
        self.outbox.tick(&self.services, now);
        self.flushes = true;
    }

    /// The next call that is to be sent in the name of `config`; `None` once there is none, and nothing more is counted.
    pub fn poll(
        &mut self,
        config: u32,
        host: &(impl CounterStore + Telemetry),
        now: Nanos,
    ) -> Option<(CallId, Call)> {
        if let Some(service) = self.services.current()
            && let Some(call) = self.poller.poll(config, service, host, now)
        {
            return Some((CallId(Errand::Poll), call));
        }
        let post = self.outbox.poll(config, &self.services, self.flushes, now);
        if let Some(post) = post {
            let id = CallId(Errand::Post(post.id));
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

    /// A call was sent as the host's call of that number, or could not be.
    pub fn sent(&mut self, id: CallId, call: Option<u32>, now: Nanos) {
        match (id.0, call) {
            (Errand::Poll, call) => self.poller.sent(call, now),
            (Errand::Post(id), Some(call)) => self.outbox.sent(id, call),
            (Errand::Post(id), None) => self.outbox.failed(id, now),
        }
    }

    /// A call has ended: with the body of a success, or with `None`.
    pub fn answered(
        &mut self,
        call: u32,
        answer: Option<&[u8]>,
        host: &(impl CounterStore + Telemetry),
        now: Nanos,
    ) {
        if !self.poller.answered(call, answer, host, now) {
            self.outbox.answered(call, answer.is_some(), now);
        }
    }

    /// A new event's id: unique without randomness of its own.
    pub(crate) fn new_id(&mut self) -> [u8; 16] {
        let (seed, count) = &mut self.ids;
        *count = count.wrapping_add(1);
        (u128::from(*seed) << 64 | u128::from(*count)).to_be_bytes()
    }

    /// The stream holds nothing any more: no part of a body, and no place in flight.
    pub(crate) fn release(&mut self, stream: u32) {
        self.renewal.release(stream);
        self.holding.release(stream);
    }

    /// Queues an event for the service of the policy that it was made under.
    pub(crate) fn push(&mut self, event: UsageEvent, service: &ServicePolicy, now: Nanos) {
        self.outbox.push(event, service, &self.services, now);
    }
}

#[cfg(test)]
pub(crate) mod test_host;
#[cfg(test)]
mod tests;
