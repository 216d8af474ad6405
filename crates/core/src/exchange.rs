//! One request and its answer: the order of the gate's decisions.
//!
//! An [`Exchange`] begins with the head of a request and ends with its stream. It only orders the decisions:
//! [`crate::auth`] judges keys, [`crate::limiter`] charges limits, [`crate::request`] reads the request,
//! [`crate::usage`] meters the answer, and [`crate::denial`] writes refusals.
//!
//! # Order of calls
//! 1. [`Exchange::start`] with the head. It returns a [`Step`], as all calls of the request do.
//! 2. The call that the step requires: [`Exchange::locate`] and [`Exchange::resume`] after [`Step::Locate`];
//!    [`Exchange::resume`] after [`Step::Resolve`] and [`Step::ResolveObjects`], once the answer is in the directory or
//!    the registry; [`Exchange::own_answered`] after [`Step::AskOwn`]; [`Exchange::request_body`] for each piece of the body after [`Step::ReadBody`]. Whenever more of
//!    the body is held, [`Exchange::hold`] checks the bounds.
//! 3. [`Step::Forward`] or [`Step::Reply`] ends the request's part.
//! 4. The answer, from the upstream or from the gate: [`Exchange::response_head`], then [`Exchange::response_body`]
//!    for each chunk, with `ends` for the last one, or [`Exchange::response_ends`] if trailers follow.
//!    [`Exchange::note_objects`] comes before a chunk is passed on. If the host fails to deliver the head or a chunk,
//!    [`Exchange::response_head_lost`] or [`Exchange::response_body_lost`] reports it.
//! 5. [`Exchange::end`], once, at any of these points.
//!
//! # Failure policy
//! A request that cannot be decided is refused with a retryable 503. A request with a body is charged and takes its
//! place in flight before Envoy holds any of the body ([`Admission`]). A reservation exists only in
//! `Phase::Forwarded`, and [`Exchange::end`] settles it once, however the stream ends.

use std::net::IpAddr;
use std::sync::Arc;

use crate::attribution;
use crate::auth::Principal;
use crate::config::Policy;
use crate::decision::Decision;
use crate::denial::{Audience, Denial, Reply};
use crate::head::{Head, HeadEdits};
use crate::ident::{KeyId, TeamId};
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
mod own;
mod permission;
mod settlement;

pub use answer::Answer;
use answer::{AnswerState, Known};
use objects::{Asking, Objects};
pub use own::{About, OwnQuestion};
pub use settlement::{Ended, Settlement};

/// What the filter does next.
#[derive(Debug)]
pub enum Step {
    /// Change head and body, then let the request go on.
    Forward(Forward),
    /// Hold the head, ask the key service about this key, then call [`Exchange::resume`].
    Resolve(KeyDigest),
    /// Hold head and body, ask the key service about these objects, then call [`Exchange::resume`].
    ResolveObjects(Vec<ObjectId>),
    /// Hold the head, ask the key service about the caller's own key, then call [`Exchange::own_answered`].
    AskOwn(OwnQuestion),
    /// Pass the client's address to [`Exchange::locate`], then call [`Exchange::resume`]. The key is bound to
    /// addresses.
    Locate,
    /// Hold the head, and pass the body to [`Exchange::request_body`] as it arrives.
    ReadBody,
    /// Answer the request with this.
    Reply(Reply),
}

/// How a request is forwarded.
#[derive(Debug)]
pub struct Forward {
    /// What to change in its head.
    pub head: HeadEdits,
    /// What to change in its body, so that a stream reports usage.
    pub body: UsageEdit,
}

/// The phase of a request.
#[derive(Debug)]
enum Phase {
    /// Waiting for the key service's answer about the key.
    Resolving,
    /// Reading the body.
    ReadingBody(Box<Reading>),
    /// Waiting for the key service's answer about objects that the path or the body names.
    Asking(Box<Asking>),
    /// Waiting for what the key service knows of the caller's own key.
    AskingOwn,
    /// Forwarded to the upstream; `None` if the path costs nothing.
    Forwarded(Option<Box<Forwarded>>),
    /// Answered by the gate.
    Refused,
    /// Ended: everything is settled.
    Settled,
}

/// The state while a body is read.
#[derive(Debug)]
struct Reading {
    reader: BodyReader,
    head: HeadEdits,
}

/// The state of a request that was forwarded.
#[derive(Debug)]
struct Forwarded {
    kind: EndpointKind,
    reservation: Reservation,
    /// The estimate of the prompt, in tokens; `None` if no tokens are charged.
    prompt_estimate: Option<u64>,
    choices: u64,
    /// The client's cap for each answer, in tokens.
    cap: Option<u64>,
    /// The output to expect of this endpoint without a forecast, in tokens.
    usual_output: u64,
    asked_for_usage: bool,
    answer: AnswerState,
}

/// The client's address.
#[derive(Clone, Copy, Debug)]
enum Peer {
    /// Not looked up, because no decision needed it.
    Unasked,
    /// Looked up; `None` if the client has no IP address.
    At(Option<IpAddr>),
}

/// One request and its answer.
#[derive(Debug)]
pub struct Exchange {
    policy: Arc<Policy>,
    phase: Phase,
    principal: Option<Principal>,
    /// The record of a known key that was refused.
    refused: Option<Box<KeyRecord>>,
    peer: Peer,
    /// Whether the key stands in the configuration.
    inline: bool,
    /// The group of the endpoint, once the key is known.
    group: Option<EndpointGroup>,
    account: Option<Account>,
    /// The charge from the head, while the body is read.
    admission: Option<Admission>,
    model: Option<ModelId>,
    objects: Objects,
    decision: Decision,
    started: Now,
    /// The status of the answer, from the upstream or the gate; 0 before.
    status: u16,
    degraded: bool,
    /// The limits right after the reservation, and its time in milliseconds since the Unix epoch.
    snapshot: Option<(LimitSnapshot, u64)>,
    audience: Audience,
    /// Pseudo-headers that contained a key, with the text to log in their place.
    redacted: Vec<(&'static str, String)>,
    logged_path: String,
}

impl Exchange {
    /// Starts an exchange: decides by the head of a request under `policy`. `ends` if the request has no body.
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
            inline: false,
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
            // A preflight is answered without a credential, since browsers send none with it.
            return (exchange, Step::Reply(permission::preflight()));
        }
        let admitted = exchange.admit(head, ends, store, now);
        let step = admitted.unwrap_or_else(|denial| exchange.refuse(&denial, store, now));
        (exchange, step)
    }

    /// Continues after a question to the key service has been answered or has failed, or after [`Self::locate`]. The
    /// answer is read from the directory or the registry. `head` is the request's unchanged head.
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

    /// Takes the client's address after [`Step::Locate`]; `None` if it has none, such as on a Unix domain socket.
    pub fn locate(&mut self, address: Option<IpAddr>) {
        self.peer = Peer::At(address);
    }

    /// Takes the next bytes of the request's body. `ends` if these are the last.
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

    /// Writes a refusal in the client's dialect, for failures of the host.
    #[must_use]
    pub fn reply(&self, denial: &Denial) -> Reply {
        denial.reply(&self.audience, self.started.wall_millis)
    }

    /// Ends the admission of a request that is refused. With `counts` the request stays charged, so that invalid
    /// requests do not evade the limit; a refusal by a limit spends nothing. If the store fails, the charge stays.
    fn end_admission(&mut self, counts: bool, store: &impl CounterStore, now: Now) {
        let now = now.monotonic;
        let _ = match (self.admission.take(), &self.account) {
            (Some(admission), _) if counts => admission.leave(store, now),
            (Some(admission), _) => admission.withdraw(store, now),
            (None, Some(account)) if counts => limiter::charge_refused(store, account, now),
            (None, _) => Ok(()),
        };
    }

    /// The offset just past the body's opening brace, if the body may have to be changed there. These first bytes are
    /// cut off a body that arrives in several pieces, since the filter cannot reach them later.
    #[must_use]
    pub fn open_brace(&self) -> Option<usize> {
        let Phase::ReadingBody(reading) = &self.phase else {
            return None;
        };
        let endpoint = reading.reader.endpoint();
        let may_ask = self.policy.metering().include_usage && endpoint.takes_include_usage();
        reading.reader.open_brace().filter(|_| may_ask)
    }

    /// The decision so far.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// The key that the request is attributed to. A known key that was refused counts too, so that its owner sees that
    /// it is still used.
    #[must_use]
    pub fn attributed(&self) -> Option<&KeyRecord> {
        let principal = self.principal.as_ref().map(Principal::record);
        principal.or(self.refused.as_deref())
    }

    /// The team, the key and the account that the request is charged to, once the key is known.
    #[must_use]
    pub fn charged(&self) -> Option<(&TeamId, &KeyId, &Account)> {
        let principal = self.principal.as_ref()?;
        Some((
            principal.team(),
            principal.account(),
            self.account.as_ref()?,
        ))
    }

    /// The model that was asked for, once known.
    #[must_use]
    pub fn model(&self) -> Option<&ModelId> {
        self.model.as_ref()
    }

    /// Whether the key service is silent and the gate decides by its last known state.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// Pseudo-headers that contain a key and must be overwritten before anything logs them.
    #[must_use]
    pub fn redacted(&self) -> &[(&'static str, String)] {
        &self.redacted
    }

    /// The path for the log: without query and keys, in visible ASCII.
    #[must_use]
    pub fn logged_path(&self) -> &str {
        &self.logged_path
    }

    /// The place in flight, which must be renewed until the request ends.
    #[must_use]
    pub fn slots(&self) -> Option<&Slots> {
        match &self.phase {
            Phase::Forwarded(Some(forwarded)) => forwarded.reservation.slots(),
            _ => self.admission.as_ref().and_then(Admission::slots),
        }
    }

    /// The edits of a forwarded head: the gate's attribution in place of the client's identity, and no
    /// `accept-encoding`, since compression would hide the usage.
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
