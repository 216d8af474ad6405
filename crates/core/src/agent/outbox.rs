//! Usage events on their way to the key service: what a worker holds until the service says that it has it.
//!
//! Sans IO: events and answers go in, [`Post`]s come out, and the present is an argument. Who carries it out
//! calls [`Outbox::tick`] now and then, takes what [`Outbox::poll`] gives until there is none, and says of each
//! post that it was [`sent`](Outbox::sent) or [`failed`](Outbox::failed), and later what was
//! [`answered`](Outbox::answered).
//!
//! What it is not: no encoding (`sync::events`), no opinion on what an event costs.
//!
//! # Laws
//! - There is one outbox a worker, whatever number of configurations post from it. A batch leaves only when the
//!   answer to *its own* call says that the service has it; every other end brings it back as it was, so that
//!   the service, which counts each id once, can be sent it again.
//! - An admitted request's event is given up last, and counted. Refusals are summed by key, decision, group of
//!   endpoints and minute, and what cannot be held of them is dropped first.
//! - All that is held, under way or not, stays within the `usage_memory` of the policy. A batch that is being written may
//!   have allocated up to twice its bytes.
//! - An event goes to the service of the policy that it was made under, which is known by its cluster's name.
//!
//! # Failure policy
//! A post that failed pauses its lane, twice as long each time; then one batch goes at a time until one is
//! taken. A batch that fails goes behind the others, so that one the service can never take holds up none.

use std::rc::Rc;

use super::{Call, Services};
use crate::config::ServicePolicy;
use crate::sync::events::UsageEvent;
use crate::time::{Nanos, SECOND};

mod lane;
mod tallies;

use lane::{Batch, Lane};
use tallies::{Added, TALLY_BYTES};

/// How long an answer may take, in nanoseconds.
pub(super) const TIMEOUT: Nanos = 5 * SECOND;

/// From when on no answer will come any more: the host has given up [`TIMEOUT`] after the post.
const LOST_AFTER: Nanos = TIMEOUT + SECOND;

/// The most batches under way to one service.
pub(super) const PARALLEL: usize = 8;

/// Names a batch under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PostId(u64);

impl Post {
    /// The call that sends it.
    pub(super) fn into_call(self) -> Call {
        Call {
            service: self.service,
            method: "POST",
            path: "/sync/v1/usage".to_owned(),
            body: Some(self.body),
            timeout: TIMEOUT,
        }
    }
}

/// A batch to be sent now.
#[derive(Clone, Debug)]
pub(super) struct Post {
    /// Names it in what is said of it afterwards.
    pub(super) id: PostId,
    /// Where it goes.
    pub(super) service: ServicePolicy,
    /// The body.
    pub(super) body: Rc<Vec<u8>>,
}

/// What has happened since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Events that the service took.
    pub(super) posted: u64,
    /// Batches that came back and are sent again.
    pub(super) retried: u64,
    /// Events of admitted requests that were given up.
    pub(super) dropped: u64,
    /// Refused requests that were given up.
    pub(super) refusals_dropped: u64,
}

#[derive(Debug)]
struct UnderWay {
    id: PostId,
    cluster: String,
    batch: Batch,
    /// The configuration that sends it.
    config: u32,
    call: Option<u32>,
    lost_at: Nanos,
}

/// All that a worker has to report.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lanes: Vec<Lane>,
    under_way: Vec<UnderWay>,
    /// Bytes of all events that are held, and of open tallies.
    held: usize,
    posts: u64,
    counts: Counts,
}

impl Outbox {
    /// Takes an event that was made under `service`'s policy. A refusal is added to those of the same subject; the sum has
    /// the id of the first of them.
    pub(super) fn push(
        &mut self,
        event: UsageEvent,
        service: &ServicePolicy,
        services: &Services,
        now: Nanos,
    ) {
        if event.is_admitted() {
            if !self.push_admitted(&event, service, services) {
                self.counts.dropped += 1;
            }
            return;
        }
        let room = service.usage_memory.saturating_sub(self.held) >= TALLY_BYTES;
        let requests = u64::from(event.requests);
        let added = self
            .lane_of(service)
            .and_then(|lane| lane.tallies.add(event, room, now));
        match added {
            Some(Added::Opened) => self.held += TALLY_BYTES,
            Some(Added::Summed) => {}
            None => self.counts.refusals_dropped += requests,
        }
    }

    fn push_admitted(
        &mut self,
        event: &UsageEvent,
        service: &ServicePolicy,
        services: &Services,
    ) -> bool {
        let Ok(block) = event.to_block() else {
            return false;
        };
        let pushed = self.make_room(block.len(), service.usage_memory, services)
            && self
                .lane_of(service)
                .is_some_and(|lane| lane.push(&block).is_ok());
        if pushed {
            self.held += block.len();
        }
        pushed
    }

    /// Time passes: posts that no answer will come to any more are taken back.
    pub(super) fn tick(&mut self, services: &Services, now: Nanos) {
        while let Some(at) = self.under_way.iter().position(|u| u.lost_at <= now) {
            let lost = self.under_way.swap_remove(at);
            self.take_back(lost, Some(now));
        }
        self.lanes
            .retain(|lane| !lane.is_idle() || services.of(&lane.cluster).is_some());
    }

    /// A configuration is gone, and with it the answers to what it has sent.
    pub(super) fn retired(&mut self, config: u32) {
        while let Some(at) = self.under_way.iter().position(|u| u.config == config) {
            let lost = self.under_way.swap_remove(at);
            self.take_back(lost, None);
        }
    }

    /// The next batch that `config` should send now; with `flush`, events that fill no batch yet as well.
    pub(super) fn poll(
        &mut self,
        config: u32,
        services: &Services,
        flush: bool,
        now: Nanos,
    ) -> Option<Post> {
        let held = &mut self.held;
        let (batch, lane) = self
            .lanes
            .iter_mut()
            .find_map(|lane| lane.next(flush, held, now).map(|batch| (batch, lane)))?;
        self.posts += 1;
        let id = PostId(self.posts);
        // The token may have changed since the event was made; the cluster is the service.
        let service = services.of(&lane.cluster).unwrap_or(&lane.service).clone();
        let body = batch.body.clone();
        self.under_way.push(UnderWay {
            id,
            cluster: lane.cluster.clone(),
            batch,
            config,
            call: None,
            lost_at: now.saturating_add(LOST_AFTER),
        });
        Some(Post { id, service, body })
    }

    /// The post has left, as the host's call of that number.
    pub(super) fn sent(&mut self, id: PostId, call: u32) {
        if let Some(post) = self.under_way.iter_mut().find(|u| u.id == id) {
            post.call = Some(call);
        }
    }

    /// The post could not be sent.
    pub(super) fn failed(&mut self, id: PostId, now: Nanos) {
        if let Some(at) = self.under_way.iter().position(|u| u.id == id) {
            let failed = self.under_way.swap_remove(at);
            self.take_back(failed, Some(now));
        }
    }

    /// A call was answered; `taken` if the service has the batch. Whether the call was one of these posts.
    pub(super) fn answered(&mut self, call: u32, taken: bool, now: Nanos) -> bool {
        let Some(at) = self.under_way.iter().position(|u| u.call == Some(call)) else {
            return false;
        };
        let post = self.under_way.swap_remove(at);
        if !taken {
            self.take_back(post, Some(now));
            return true;
        }
        self.held = self.held.saturating_sub(post.batch.bytes);
        self.counts.posted += post.batch.events;
        if let Some(lane) = self.lane(&post.cluster) {
            lane.done(&post.batch);
            lane.pace.succeeded();
        }
        true
    }

    /// What has happened since this was last asked.
    pub(super) fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    fn lane(&mut self, cluster: &str) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.cluster == cluster)
    }

    /// The queue for a service, which is made where there is none yet.
    fn lane_of(&mut self, service: &ServicePolicy) -> Option<&mut Lane> {
        if self.lane(&service.cluster).is_none() {
            self.lanes.push(Lane::new(service.clone()));
        }
        self.lane(&service.cluster)
    }

    /// Brings a batch back; with `failed_at` the service is given a pause.
    fn take_back(&mut self, post: UnderWay, failed_at: Option<Nanos>) {
        self.counts.retried += 1;
        if let Some(lane) = self.lane(&post.cluster) {
            lane.done(&post.batch);
            if let Some(now) = failed_at {
                lane.pace.failed(now);
            }
            lane.waiting.push_back(post.batch);
        } else {
            // A queue is never removed before what is under way has come back.
            self.counts.dropped += post.batch.events;
        }
    }

    /// Whether `size` more bytes can be held, after what is worth less than an admitted request of a service
    /// that is still configured was given up.
    fn make_room(&mut self, size: usize, memory: usize, services: &Services) -> bool {
        while self.held.saturating_add(size) > memory {
            let orphan = |lane: &Lane| services.of(&lane.cluster).is_none();
            let given_up = None
                .or_else(|| self.lanes.iter_mut().find_map(Lane::give_up_refusals))
                .or_else(|| {
                    self.lanes
                        .iter_mut()
                        .filter(|lane| orphan(lane))
                        .find_map(Lane::give_up_oldest)
                });
            let Some(given_up) = given_up else {
                return false;
            };
            self.held = self.held.saturating_sub(given_up.bytes);
            self.counts.dropped += given_up.events;
            self.counts.refusals_dropped += given_up.refusals;
        }
        true
    }
}

#[cfg(test)]
mod tests;
