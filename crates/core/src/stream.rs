//! One stream: the host's next action with a request and its answer.
//!
//! A [`Stream`] connects an [`Exchange`], which decides, with a host, which reads bytes, edits and sends. It does no
//! IO: events go in, and actions come out. [`Host`] has the calls that it makes itself.
//!
//! # Order of calls
//! 1. [`Stream::start`] with the request's head. Every call of the request returns a [`RequestAction`].
//! 2. While [`Stream::takes_body`], [`Stream::body_arrived`] whenever more of the body has arrived, and at its end.
//!    [`Stream::body_read`], [`Stream::asked`], [`Stream::answered`] and [`Stream::dropped`] report the result of an
//!    action.
//! 3. [`Stream::answer_head`], [`Stream::answer_arrived`] and [`Stream::answer_trailers`] for the answer, from the
//!    upstream or the gate. They return an [`AnswerAction`]; [`Stream::answer_read`] reports its result.
//! 4. [`Stream::end`], once, at any of these points.
//!
//! # Failure policy
//! A failure of the host during the request ends in a 503 for this request ([`Stream::unavailable`]). A failure during
//! the answer does not cut it ([`Stream::answer_head_failed`], [`Stream::answer_failed`]).

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

/// The calls that a stream makes to its host.
pub trait Host: CounterStore + Telemetry {
    /// The error of a failed call.
    type Error;

    /// The client's address; `None` if it has none, such as on a Unix domain socket.
    ///
    /// # Errors
    /// The host failed.
    fn client_address(&self) -> Result<Option<IpAddr>, Self::Error>;

    /// The request's protocol, such as `HTTP/2`; `None` if the host does not report it.
    fn protocol(&self) -> Option<Vec<u8>>;
}

/// One request and its answer.
#[derive(Debug)]
pub struct Stream {
    /// The stream's number within the worker.
    id: u32,
    exchange: Exchange,
    policy: Arc<Policy>,
    request: HeldBody,
    /// The request has no body.
    ends: bool,
    /// The open question to the key service.
    asked: Option<Question>,
    refusal: Option<Refusal>,
    /// The id of its usage event.
    event_id: [u8; 16],
    list: ModelList,
}

impl Stream {
    /// Starts a stream with the head of a request. `ends` if the request has no body. `id` is the stream's number
    /// within the worker. If the host fails, its error is returned in place of the action.
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

    /// The edits that remove keys from pseudo-headers. They must be made before anything logs the head.
    #[must_use]
    pub fn redaction(&self) -> HeadEdits {
        HeadEdits {
            remove: Vec::new(),
            set: self.exchange.redacted().to_vec(),
        }
    }

    /// The answer if nothing can be decided.
    #[must_use]
    pub fn unavailable(&self) -> Reply {
        self.exchange.reply(&Denial::Unavailable)
    }

    /// Ends the stream, however it ended: settles, reports and queues the usage event. `now` is `None` if the host's
    /// clock failed. Then nothing can be settled, and the reservation stays charged.
    pub fn end(&mut self, agent: &mut Agent, host: &impl Host, now: Option<Now>) {
        agent.release(self.id);
        self.note_levels(agent);
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
