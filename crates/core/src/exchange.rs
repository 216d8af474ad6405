//! The story of one request: what the filter is told, and what it then has to do.
//!
//! An [`Exchange`] is made when the head of a request arrives and ends with its stream. It owns the order of decisions and
//! nothing else: who may pass is judged in [`crate::auth`], how much in [`crate::limiter`], what was asked in
//! [`crate::request`], what it used in [`crate::usage`], what an answer looks like in [`crate::denial`].
//!
//! # Order of calls
//! 1. [`Exchange::start`] with the head. It returns a [`Step`], as all calls of the request do.
//! 2. While the step asks for something: [`Exchange::locate`] and [`Exchange::resume`] after [`Step::Locate`];
//!    [`Exchange::resume`] after [`Step::Resolve`] and [`Step::ResolveObjects`], once the directory or the registry holds
//!    the answer; [`Exchange::request_body`] for each piece of the body after [`Step::ReadBody`]. Before the body is held,
//!    and each time that more of it is, [`Exchange::hold`] says whether it may be.
//! 3. [`Step::Forward`] or [`Step::Reply`] ends the request's part.
//! 4. The answer, whoever gives it: [`Exchange::response_head`], then [`Exchange::response_body`] for each chunk, the last
//!    one marked, or [`Exchange::response_ends`] where trailers follow. [`Exchange::note_objects`] comes before a chunk
//!    is passed on. What the host failed to hand over is told by [`Exchange::response_head_lost`] and
//!    [`Exchange::response_body_lost`].
//! 5. [`Exchange::end`], once, from whichever of these points.
//!
//! # Failure policy
//! Whatever cannot be decided is refused with a retryable 503; nothing passes undecided. A request with a body is charged,
//! and has its place in flight, before Envoy holds anything of it ([`Admission`]); a reservation exists only in
//! [`Phase::Forwarded`]. Whichever way the stream ends, [`Exchange::end`] settles what is owed, once.

use std::net::IpAddr;
use std::sync::Arc;

use crate::attribution;
use crate::auth::Principal;
use crate::config::Policy;
use crate::decision::Decision;
use crate::denial::{Audience, Denial, Reply};
use crate::head::{Head, HeadEdits};
use crate::key::KeyDigest;
use crate::limiter::{self, Account, Admission, LimitSnapshot, Reservation, Slots};
use crate::model::ModelId;
use crate::objects::ObjectId;
use crate::record::KeyRecord;
use crate::request::{BodyReader, EndpointGroup, EndpointKind, UsageEdit};
use crate::shared::CounterStore;
use crate::time::Now;

mod admission;
mod answer;
mod held;
mod limits;
mod logged;
mod lookup;
mod models;
mod objects;
mod output;
mod permission;
mod settlement;

pub use answer::Answer;
use answer::{AnswerState, Known};
use objects::{Asking, Objects};
pub use settlement::{Ended, Settlement};

/// What the filter does next.
#[derive(Debug)]
pub enum Step {
    /// Change head and body, then let the request go on.
    Forward(Forward),
    /// Hold the head, ask the key service about this key, and then [`Exchange::resume`].
    Resolve(KeyDigest),
    /// Hold head and body, ask the key service about these objects, and then [`Exchange::resume`].
    ResolveObjects(Vec<ObjectId>),
    /// Tell the client's address ([`Exchange::locate`]), and then [`Exchange::resume`]: its key is bound to addresses.
    Locate,
    /// Hold the head, and hand over the body as it arrives.
    ReadBody,
    /// Answer it here.
    Reply(Reply),
}

/// How a request goes on.
#[derive(Debug)]
pub struct Forward {
    /// What to change in its head.
    pub head: HeadEdits,
    /// What to change in its body, so that a stream reports its usage.
    pub body: UsageEdit,
}

/// Where a request stands.
#[derive(Debug)]
enum Phase {
    /// The key service is asked about its key.
    Resolving,
    /// Its body is being read.
    ReadingBody(Box<Reading>),
    /// The key service is asked about objects that it leads to or names.
    Asking(Box<Asking>),
    /// On its way to the upstream; `None` where the path costs nothing.
    Forwarded(Option<Box<Forwarded>>),
    /// Answered here.
    Refused,
    /// Logged: nothing is owed any more.
    Settled,
}

/// What is kept while a body is read.
#[derive(Debug)]
struct Reading {
    reader: BodyReader,
    head: HeadEdits,
}

/// What is owed for a request that went on.
#[derive(Debug)]
struct Forwarded {
    kind: EndpointKind,
    reservation: Reservation,
    /// Tokens of the prompt, as estimated; `None` where no tokens are charged.
    prompt_estimate: Option<u64>,
    choices: u64,
    /// What the client capped each answer at, in tokens.
    cap: Option<u64>,
    /// Tokens of output that are reserved of this endpoint before anything was learned.
    usual_output: u64,
    asked_for_usage: bool,
    answer: AnswerState,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
enum Peer {
    /// Nothing has depended on it so far.
    Unasked,
    /// From this address; `None` where the client has none.
    At(Option<IpAddr>),
}

/// One request and its answer.
#[derive(Debug)]
pub struct Exchange {
    policy: Arc<Policy>,
    phase: Phase,
    principal: Option<Principal>,
    /// The record of a key that is known and may not pass.
    refused: Option<Box<KeyRecord>>,
    peer: Peer,
    /// The group of endpoints that a known key has called.
    group: Option<EndpointGroup>,
    account: Option<Account>,
    /// What it was charged at its head, while its body is read.
    admission: Option<Admission>,
    model: Option<ModelId>,
    objects: Objects,
    decision: Decision,
    started: Now,
    /// The status of the answer, whoever gave it; 0 before.
    status: u16,
    degraded: bool,
    /// How the limits stood after its reservation, and when that was (milliseconds since the Unix epoch).
    snapshot: Option<(LimitSnapshot, u64)>,
    audience: Audience,
    /// What must stand in the log in place of a pseudo-header that holds a key.
    redacted: Vec<(&'static str, String)>,
    logged_path: String,
}

impl Exchange {
    /// Decides on a request by its head, under this policy; `ends` if it has no body.
    pub fn start(
        head: &Head<'_>,
        ends: bool,
        policy: &Arc<Policy>,
        store: &impl CounterStore,
        now: Now,
    ) -> (Self, Step) {
        let mut exchange = Self {
            policy: Arc::clone(policy),
            phase: Phase::Refused,
            principal: None,
            refused: None,
            peer: Peer::Unasked,
            group: None,
            account: None,
            admission: None,
            model: None,
            decision: Decision::Preflight,
            objects: Objects::default(),
            started: now,
            status: 0,
            degraded: lookup::degraded(policy, store, now),
            snapshot: None,
            audience: Audience::of(head),
            redacted: logged::redacted(head),
            logged_path: logged::printable(head.path()),
        };
        if head.method() == b"OPTIONS" {
            // Browsers send no credential with a preflight, so that it can never be judged by one.
            return (exchange, Step::Reply(permission::preflight()));
        }
        let admitted = exchange.admit(head, ends, store, now);
        let step = admitted.unwrap_or_else(|denial| exchange.refuse(&denial, store, now));
        (exchange, step)
    }

    /// The key service has answered about the key or the objects, or failed to (the directory or the registry holds what
    /// it said), or the client's address is known. `head` is the request's, as it still is.
    pub fn resume(
        &mut self,
        head: &Head<'_>,
        ends: bool,
        store: &impl CounterStore,
        now: Now,
    ) -> Step {
        let admitted = if matches!(self.phase, Phase::Asking(_)) {
            self.proceed_asked(store, now)
        } else {
            self.admit(head, ends, store, now)
        };
        admitted.unwrap_or_else(|denial| self.refuse(&denial, store, now))
    }

    /// Takes the client's address, which [`Step::Locate`] asks for; `None` where it has none, such as on a Unix domain
    /// socket.
    pub fn locate(&mut self, address: Option<IpAddr>) {
        self.peer = Peer::At(address);
    }

    /// Takes the next bytes of the request's body; `ends` with the last of them.
    pub fn request_body(
        &mut self,
        chunk: &[u8],
        ends: bool,
        store: &impl CounterStore,
        now: Now,
    ) -> Step {
        let read = self.read_body(chunk, ends, store, now);
        read.unwrap_or_else(|denial| self.refuse(&denial, store, now))
    }

    fn refuse(&mut self, denial: &Denial, store: &impl CounterStore, now: Now) -> Step {
        let counts = matches!(
            denial,
            Denial::Body(_)
                | Denial::ModelNotAllowed { .. }
                | Denial::EndpointNotAllowed { .. }
                | Denial::ClosedEndpoint { .. }
                | Denial::NoSuchObject { .. }
                | Denial::NoSuchReference(_)
                | Denial::ObjectList { .. }
        );
        self.end_admission(counts, store, now);
        self.phase = Phase::Refused;
        self.decision = denial.decision();
        let reply = denial.reply(&self.audience, now.wall_millis);
        self.status = reply.status;
        Step::Reply(reply)
    }

    /// A refusal in the words of whoever asked, for what only the filter can notice.
    #[must_use]
    pub fn reply(&self, denial: &Denial) -> Reply {
        denial.reply(&self.audience, self.started.wall_millis)
    }

    /// The request goes no further. What is refused for its content `counts` as a request all the same, so that nonsense
    /// does not evade the limit; a refusal by a limit spends nothing. A store that fails keeps what was charged.
    fn end_admission(&mut self, counts: bool, store: &impl CounterStore, now: Now) {
        let now = now.monotonic;
        let _ = match (self.admission.take(), &self.account) {
            (Some(admission), _) if counts => admission.leave(store, now),
            (Some(admission), _) => admission.withdraw(store, now),
            (None, Some(account)) if counts => limiter::charge_refused(store, account, now),
            (None, _) => Ok(()),
        };
    }

    /// Offset just past the body's opening brace, where the body may have to be changed there. The filter
    /// takes these first bytes off a body that comes in several pieces, since it could not reach them later.
    #[must_use]
    pub fn open_brace(&self) -> Option<usize> {
        let Phase::ReadingBody(reading) = &self.phase else {
            return None;
        };
        let endpoint = reading.reader.endpoint();
        let may_ask = self.policy.metering().include_usage && endpoint.takes_include_usage();
        reading.reader.open_brace().filter(|_| may_ask)
    }

    /// What was decided so far.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// The key that it is attributed to, also where that key may not pass: its owner is to see that it is
    /// still in use.
    #[must_use]
    pub fn attributed(&self) -> Option<&KeyRecord> {
        let principal = self.principal.as_ref().map(Principal::record);
        principal.or(self.refused.as_deref())
    }

    /// The model that was asked for, once known.
    #[must_use]
    pub fn model(&self) -> Option<&ModelId> {
        self.model.as_ref()
    }

    /// Whether the gate decides by what the key service said some time ago.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// Pseudo-headers to overwrite before anything logs them: a client put a key into them.
    #[must_use]
    pub fn redacted(&self) -> &[(&'static str, String)] {
        &self.redacted
    }

    /// The path as the log may show it: no query, no key, visible ASCII.
    #[must_use]
    pub fn logged_path(&self) -> &str {
        &self.logged_path
    }

    /// The place in flight to be renewed while the request is under way.
    #[must_use]
    pub fn slot(&self) -> Option<&Slots> {
        match &self.phase {
            Phase::Forwarded(Some(forwarded)) => forwarded.reservation.slot(),
            _ => self.admission.as_ref().and_then(Admission::slot),
        }
    }

    /// What goes on: our identity in place of the client's, no compression that would hide the usage.
    fn forward_edits(&self, head: &Head<'_>) -> HeadEdits {
        let mut edits = attribution::forward(head, self.principal.as_ref(), self.model.as_ref());
        if self.principal.is_some() {
            edits.set.push(("accept-encoding", "identity".into()));
        }
        edits
    }
}

#[cfg(test)]
mod tests;
