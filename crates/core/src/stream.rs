//! One stream: what a host does next with the request that it holds, and with its answer.
//!
//! It stands between an [`Exchange`], which decides, and a host, which reads bytes, edits and sends. Sans IO: what has
//! arrived goes in, and an action comes out. What it needs besides is behind [`Host`], its ports.
//!
//! # Order of calls
//! 1. [`Stream::start`] with the request's head. Every call of the request returns a [`RequestAction`].
//! 2. [`Stream::body_arrived`] whenever more of the body is here, and for its end, while [`Stream::takes_body`]. What an
//!    action asks for is told by [`Stream::body_read`], [`Stream::asked`] and [`Stream::answered`], or [`Stream::dropped`].
//! 3. [`Stream::answer_head`], [`Stream::answer_arrived`] and [`Stream::answer_trailers`] for the answer, whoever gives it.
//!    They return an [`AnswerAction`]; [`Stream::answer_read`] tells what it asks for.
//! 4. [`Stream::end`], once, from whichever of these points.
//!
//! # Failure policy
//! What the host fails to do ends in a 503 for this one request ([`Stream::unavailable`]). An answer on its way is never
//! cut for it ([`Stream::answer_head_failed`], [`Stream::answer_failed`]).

use std::net::IpAddr;
use std::sync::Arc;

use crate::agent::Agent;
use crate::config::Policy;
use crate::denial::{Denial, Reply};
use crate::exchange::Exchange;
use crate::head::{Head, HeadEdits};
use crate::shared::CounterStore;
use crate::telemetry::{Field, Telemetry};
use crate::time::Now;

mod answer;
mod drain;
mod held_body;
mod model_list;
mod question;
mod report;
mod request;

pub use answer::AnswerAction;
use drain::Drain;
use held_body::HeldBody;
use held_body::Release;
pub use held_body::{BodyEdits, REWRITE_MAX, Reach, Splice};
use model_list::ModelList;
use question::Question;
use request::Refusal;
pub use request::RequestAction;

/// What a stream needs of its host while it is handled.
pub trait Host: CounterStore + Telemetry {
    /// Why a call failed.
    type Error;

    /// The client's address; `None` where it has none, such as on a Unix domain socket.
    ///
    /// # Errors
    /// The host does not say.
    fn client_address(&self) -> Result<Option<IpAddr>, Self::Error>;

    /// The request's protocol, such as `HTTP/2`; `None` where the host does not say.
    fn protocol(&self) -> Option<Vec<u8>>;
}

/// One stream.
#[derive(Debug)]
pub struct Stream {
    /// Its number among the worker's.
    id: u32,
    exchange: Exchange,
    policy: Arc<Policy>,
    request: HeldBody,
    /// The request has no body.
    ends: bool,
    /// What the key service is asked about.
    asked: Option<Question>,
    refusal: Option<Refusal>,
    /// What its usage event will be called.
    event_id: [u8; 16],
    list: ModelList,
}

impl Stream {
    /// A request with this head has arrived; `ends` if it has no body. `id` is the stream's number among the worker's. Where
    /// the host failed, its error stands in place of the action.
    pub fn start<H: Host>(
        id: u32,
        (head, ends): (&Head<'_>, bool),
        policy: &Arc<Policy>,
        reach: Reach,
        agent: &mut Agent,
        host: &H,
        now: Now,
    ) -> (Self, Result<RequestAction, H::Error>) {
        let (exchange, step) = Exchange::start(head, ends, policy, host, now);
        let mut request = HeldBody::new(head.get("content-length"), reach);
        request.arrived(0, ends);
        host.note(Field::Path, exchange.logged_path());
        let event_id = match policy.service() {
            Some(_) => agent.new_id(),
            None => [0; 16],
        };
        let mut stream = Self {
            id,
            exchange,
            policy: Arc::clone(policy),
            request,
            ends,
            asked: None,
            refusal: None,
            event_id,
            list: ModelList::default(),
        };
        let judged = stream.judged(step, head, agent, host, now);
        let action = judged.map(|step| stream.carry_out(step, agent, host));
        (stream, action)
    }

    /// What must stand in place of pseudo-headers that hold a key, before anything logs them.
    #[must_use]
    pub fn redaction(&self) -> HeadEdits {
        HeadEdits {
            remove: Vec::new(),
            set: self.exchange.redacted().to_vec(),
        }
    }

    /// The answer where nothing can be decided.
    #[must_use]
    pub fn unavailable(&self) -> Reply {
        self.exchange.reply(&Denial::Unavailable)
    }

    /// The stream is over, however it ended. `now` is missing where the host has no clock: then nothing can be settled, and
    /// what was reserved stays charged.
    pub fn end(&mut self, agent: &mut Agent, host: &impl Host, now: Option<Now>) {
        agent.release(self.id);
        let Some(now) = now else {
            return;
        };
        let before = self.exchange.decision();
        let ended = self.exchange.end(self.event_id, host, now);
        if self.exchange.decision() != before {
            report::decided(&self.exchange, host);
        }
        if let Some(settlement) = &ended.settlement {
            report::settled(&self.exchange, settlement, host);
        }
        if let Some(service) = self.policy.service() {
            for event in ended.events {
                agent.push(event, service, now.monotonic);
            }
        }
    }
}

#[cfg(test)]
mod tests;
