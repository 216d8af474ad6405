//! The request's part of a stream: actions after the head, the body, questions to the key service, and replies.

use super::question::{self, Question};
use super::{BodyEdits, Drain, Host, Release, Stream, report};
use crate::agent::{Agent, Call};
use crate::config::ServicePolicy;
use crate::denial::Reply;
use crate::exchange::{Forward, Step};
use crate::head::{Head, HeadEdits};
use crate::telemetry::Telemetry;
use crate::time::Now;

/// The host's next action with a request.
#[derive(Debug)]
pub enum RequestAction {
    /// Pass on what has arrived.
    Continue,
    /// Hold what has arrived.
    Hold,
    /// Read `len` held bytes from the offset `from`, and pass them to [`Stream::body_read`].
    Read {
        /// The offset in the held body.
        from: usize,
        /// How many bytes; may be zero.
        len: usize,
    },
    /// Make these edits of the body, and hold the rest.
    Cut(BodyEdits),
    /// Hold what has arrived and send this call. Call [`Stream::asked`] if it was sent, and [`Stream::answered`] with
    /// its result.
    Ask(Box<Call>),
    /// Make these edits, and forward the request.
    Forward(HeadEdits, BodyEdits),
    /// Drop this many bytes of the body, which have arrived, and call [`Stream::dropped`].
    Drop(usize),
    /// Answer the request with this.
    Reply(Reply),
}

/// A reply of the gate that waits while the rest of its request is dropped.
#[derive(Debug)]
pub(super) struct Refusal {
    reply: Reply,
    drain: Drain,
    ended: bool,
}

impl Stream {
    /// Whether [`Self::body_arrived`] must be called for more of the body. After the request was forwarded or answered,
    /// the host passes the rest on.
    #[must_use]
    pub fn takes_body(&self) -> bool {
        self.refusal.is_some() || !self.request.is_done()
    }

    /// Reports that `size` bytes of the body are held. `ends` if they include the last.
    pub fn body_arrived(
        &mut self,
        size: usize,
        ends: bool,
        agent: &mut Agent,
        host: &impl Host,
        now: Now,
    ) -> RequestAction {
        if let Some(refusal) = &mut self.refusal {
            refusal.ended = ends;
            return self.drop_held(size);
        }
        if !self.takes_body() {
            return RequestAction::Continue;
        }
        self.request.arrived(size, ends);
        if let Some(refused) = self.over_bounds(agent, host, now) {
            self.asked = None;
            return self.carry_out(refused, agent, host);
        }
        if self.asked.is_some() {
            return RequestAction::Hold;
        }
        let (from, len) = self.request.unread();
        RequestAction::Read { from, len }
    }

    /// Reports that the request has ended with trailers.
    pub fn body_trailers(
        &mut self,
        agent: &mut Agent,
        host: &impl Host,
        now: Now,
    ) -> RequestAction {
        self.body_arrived(self.request.held(), true, agent, host, now)
    }

    /// Takes the bytes of [`RequestAction::Read`].
    pub fn body_read(
        &mut self,
        chunk: &[u8],
        agent: &mut Agent,
        host: &impl Host,
        now: Now,
    ) -> RequestAction {
        self.request.read(chunk);
        let ended = self.request.ended();
        let step = self.exchange.request_body(chunk, ended, host, now);
        let front = match &step {
            Step::ReadBody => self.exchange.open_brace(),
            _ => None,
        };
        let cut = front.and_then(|end| self.request.cut_front(end));
        let action = self.carry_out(step, agent, host);
        match (cut, action) {
            (Some(edits), RequestAction::Hold) => RequestAction::Cut(edits),
            (_, action) => action,
        }
    }

    /// Reports that the call of [`RequestAction::Ask`] was sent.
    pub fn asked(&self, host: &impl Telemetry) {
        if let Some(question) = self.asked {
            host.measure(question.metric(), &[], 1);
        }
    }

    /// Takes the key service's 2xx answer, or `None` after a failure. The request is judged again from its unchanged
    /// head.
    ///
    /// # Errors
    /// The host failed.
    pub fn answered<H: Host>(
        &mut self,
        answer: Option<&[u8]>,
        head: &Head<'_>,
        agent: &mut Agent,
        host: &H,
        now: Now,
    ) -> Result<RequestAction, H::Error> {
        let question = self.asked.take();
        if let (Some(answer), Some(question)) = (answer, question)
            && let Err(error) = question.learn(answer, host, now.monotonic)
        {
            host.warn(&format!("the key service's answer cannot be read: {error}"));
        }
        let step = match question {
            Some(Question::Own) => self.exchange.own_answered(answer, host, now),
            _ => self.exchange.resume(head, self.ends, host, now),
        };
        let step = self.judged(step, head, agent, host, now)?;
        let reads = matches!(step, Step::ReadBody);
        let action = self.carry_out(step, agent, host);
        let (held, ended) = (self.request.held(), self.request.ended());
        // Reads the part of the body that has arrived meanwhile.
        match action {
            RequestAction::Hold if reads && (held > 0 || ended) => {
                Ok(self.body_arrived(held, ended, agent, host, now))
            }
            action => Ok(action),
        }
    }

    /// Whether a question to the key service is open.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// Reports whether the bytes of [`RequestAction::Drop`] were dropped.
    pub fn dropped(&mut self, bytes: usize, done: bool) -> RequestAction {
        let Some(mut refusal) = self.refusal.take() else {
            return RequestAction::Hold;
        };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        // If bytes cannot be dropped, the reply is sent at once so that they do not accumulate.
        if refusal.drain.dropped(bytes, refusal.ended) || !done {
            return RequestAction::Reply(refusal.reply);
        }
        self.refusal = Some(refusal);
        RequestAction::Hold
    }

    /// Returns the step to carry out after `step` of a head. The client's address is looked up only if the step needs
    /// it. A body that exceeds the bounds is refused.
    pub(super) fn judged<H: Host>(
        &mut self,
        step: Step,
        head: &Head<'_>,
        agent: &mut Agent,
        host: &H,
        now: Now,
    ) -> Result<Step, H::Error> {
        let step = if matches!(step, Step::Locate) {
            self.exchange.locate(host.client_address()?);
            self.exchange.resume(head, self.ends, host, now)
        } else {
            step
        };
        if self.ends || !matches!(step, Step::ReadBody | Step::Resolve(_)) {
            return Ok(step);
        }
        Ok(self.over_bounds(agent, host, now).unwrap_or(step))
    }

    /// The refusal if the held body exceeds a bound.
    fn over_bounds(&mut self, agent: &mut Agent, host: &impl Host, now: Now) -> Option<Step> {
        let held = (&mut agent.holding, self.id);
        self.exchange.hold(held, self.request.body(), host, now)
    }

    pub(super) fn carry_out(
        &mut self,
        step: Step,
        agent: &mut Agent,
        host: &impl Host,
    ) -> RequestAction {
        match step {
            Step::ReadBody => {
                agent.renewal.hold(self.id, self.exchange.slots());
                RequestAction::Hold
            }
            // The address was already given, so this step cannot follow.
            Step::Locate => RequestAction::Reply(self.unavailable()),
            Step::Resolve(digest) => self.ask(Question::Key, |service| {
                question::about_key(service, &digest)
            }),
            Step::ResolveObjects(ids) => self.ask(Question::Objects, |service| {
                question::about_objects(service, &ids)
            }),
            Step::AskOwn(asked) => self.ask(Question::Own, |service| {
                question::about_own(service, &asked)
            }),
            Step::Forward(forward) => self.forward(forward, agent, host),
            Step::Reply(reply) => self.refuse(reply, agent, host),
        }
    }

    fn ask(
        &mut self,
        question: Question,
        call: impl FnOnce(&ServicePolicy) -> Call,
    ) -> RequestAction {
        let Some(service) = self.policy.service() else {
            return RequestAction::Reply(self.unavailable());
        };
        self.asked = Some(question);
        RequestAction::Ask(Box::new(call(service)))
    }

    fn forward(&mut self, forward: Forward, agent: &mut Agent, host: &impl Host) -> RequestAction {
        let Forward { mut head, body } = forward;
        self.note_levels(agent);
        report::decided(&self.exchange, host);
        if self.policy.service().is_some() && self.exchange.attributed().is_some() {
            report::event_id(&self.event_id, host);
        }
        agent.renewal.hold(self.id, self.exchange.slots());
        agent.holding.release(self.id);
        let Release { edits, length } = self.request.release(body);
        head.set
            .extend(length.map(|length| ("content-length", length.to_string())));
        RequestAction::Forward(head, edits)
    }

    /// Notes for those who watch that the request has changed the levels of its limits.
    pub(super) fn note_levels(&self, agent: &mut Agent) {
        if let Some((team, key, account)) = self.exchange.charged() {
            agent.reporter.note(team, key, account);
        }
    }

    /// Answers the request, at once or after the rest of it has arrived.
    fn refuse(&mut self, reply: Reply, agent: &mut Agent, host: &impl Host) -> RequestAction {
        report::decided(&self.exchange, host);
        self.note_levels(agent);
        agent.release(self.id);
        self.request.give_up();
        let drain = || Drain::new(&host.protocol()?);
        let Some(drain) = (!self.request.ended()).then(drain).flatten() else {
            return RequestAction::Reply(reply);
        };
        self.refusal = Some(Refusal {
            reply,
            drain,
            ended: false,
        });
        self.drop_held(self.request.held())
    }

    fn drop_held(&mut self, size: usize) -> RequestAction {
        match size {
            0 => self.dropped(0, true),
            size => RequestAction::Drop(size),
        }
    }
}
