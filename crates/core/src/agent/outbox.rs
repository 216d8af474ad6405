//! The outbox: usage events that a worker holds until the key service has confirmed them.
//!
//! It does no IO: events and answers go in, [`Post`]s come out, and the time is an argument. The caller calls
//! [`Outbox::tick`] regularly and [`Outbox::poll`] until it returns `None`. For each post it calls [`Outbox::sent`] or
//! [`Outbox::failed`], and later [`Outbox::answered`].
//!
//! What it is not: it does not encode events (`sync::events` does) and does not price them.
//!
//! # Laws
//! - A worker has one outbox, however many configurations post from it. A batch is removed only when the answer to
//!   *its own* call confirms it. After any other end the batch is queued again, unchanged. The service counts each
//!   event id once, so sending a batch twice is safe.
//! - Events of admitted requests are dropped last, and each drop is counted. Refusals are summed by key, decision,
//!   group of endpoints and minute, and are dropped first.
//! - Everything that is held, sent or not, stays within the `usage_memory` of the policy. A batch that is still being
//!   written may have allocated up to twice its bytes.
//! - An event goes to the service of the policy under which it was made. A service is identified by the name of its
//!   cluster.
//!
//! # Failure policy
//! A failed post pauses its lane, and each further failure doubles the pause. After the pause one batch is sent at a
//! time until one is confirmed. A failed batch goes to the end of the queue, so that a batch the service always rejects
//! does not block the others.

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

/// How long after a post its answer counts as lost. The host gives up after [`TIMEOUT`]; a second is added.
const LOST_AFTER: Nanos = TIMEOUT + SECOND;

/// The most batches that are sent to one service and not answered yet.
pub(super) const PARALLEL: usize = 8;

/// Identifies a batch that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PostId(u64);

impl Post {
    /// Makes the call that sends it.
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

/// A batch to send.
#[derive(Clone, Debug)]
pub(super) struct Post {
    /// Identifies it in later calls.
    pub(super) id: PostId,
    /// Where it goes.
    pub(super) service: ServicePolicy,
    /// The encoded batch.
    pub(super) body: Rc<Vec<u8>>,
}

/// Counts since the last [`Outbox::take_counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Events that the service confirmed.
    pub(super) posted: u64,
    /// Batches that failed and are sent again.
    pub(super) retried: u64,
    /// Events of admitted requests that were dropped.
    pub(super) dropped: u64,
    /// Refused requests that were dropped.
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

/// The usage events of one worker.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lanes: Vec<Lane>,
    under_way: Vec<UnderWay>,
    /// Bytes of all events that are held, with those of open tallies.
    held: usize,
    posts: u64,
    counts: Counts,
}

impl Outbox {
    /// Queues an event for `service`. A refusal is added to the sum of its subject; the sum has the id of its first
    /// refusal.
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

    /// Queues posts again whose answer is overdue.
    pub(super) fn tick(&mut self, services: &Services, now: Nanos) {
        while let Some(at) = self.under_way.iter().position(|u| u.lost_at <= now) {
            let lost = self.under_way.swap_remove(at);
            self.take_back(lost, Some(now));
        }
        self.lanes
            .retain(|lane| !lane.is_idle() || services.of(&lane.cluster).is_some());
    }

    /// Queues the posts of a retired configuration again, since no answer to them will arrive.
    pub(super) fn retired(&mut self, config: u32) {
        while let Some(at) = self.under_way.iter().position(|u| u.config == config) {
            let lost = self.under_way.swap_remove(at);
            self.take_back(lost, None);
        }
    }

    /// Returns the next batch that `config` should send; with `flush`, also one that is not full.
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
        // The token may have changed since the event was made. The cluster identifies the service.
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

    /// Reports that the host sent the post; `call` is the host's number for it.
    pub(super) fn sent(&mut self, id: PostId, call: u32) {
        if let Some(post) = self.under_way.iter_mut().find(|u| u.id == id) {
            post.call = Some(call);
        }
    }

    /// Reports that the post could not be sent.
    pub(super) fn failed(&mut self, id: PostId, now: Nanos) {
        if let Some(at) = self.under_way.iter().position(|u| u.id == id) {
            let failed = self.under_way.swap_remove(at);
            self.take_back(failed, Some(now));
        }
    }

    /// Reports that a call was answered; `taken` if the service confirmed the batch. Returns whether the call was one
    /// of these posts.
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

    /// Returns the counts since the last call, and resets them.
    pub(super) fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    fn lane(&mut self, cluster: &str) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.cluster == cluster)
    }

    /// Returns the queue for a service, and makes one if there is none yet.
    fn lane_of(&mut self, service: &ServicePolicy) -> Option<&mut Lane> {
        if self.lane(&service.cluster).is_none() {
            self.lanes.push(Lane::new(service.clone()));
        }
        self.lane(&service.cluster)
    }

    /// Queues a batch again. With `failed_at` its service is paused.
    fn take_back(&mut self, post: UnderWay, failed_at: Option<Nanos>) {
        self.counts.retried += 1;
        if let Some(lane) = self.lane(&post.cluster) {
            lane.done(&post.batch);
            if let Some(now) = failed_at {
                lane.pace.failed(now);
            }
            lane.waiting.push_back(post.batch);
        } else {
            // Never reached: a queue is kept while one of its batches is sent and not answered.
            self.counts.dropped += post.batch.events;
        }
    }

    /// Makes room for `size` more bytes, and returns whether there is room. It drops refusals first, and then events of
    /// services that are no longer configured.
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
