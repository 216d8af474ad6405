//! A stream's way there: the request's head once it was judged, its body past the exchange, questions, and replies.

use super::question::{self, Question};
use super::{BodyEdits, Drain, Host, Release, Stream, report};
use crate::agent::{Agent, Call};
use crate::config::ServicePolicy;
use crate::denial::Reply;
use crate::exchange::{Forward, Step};
use crate::head::{Head, HeadEdits};
use crate::telemetry::Telemetry;
use crate::time::Now;

/// What the host does next with a request.
#[derive(Debug)]
pub enum RequestAction {
    /// Let what is here go on.
    Continue,
    /// Hold what is here.
    Hold,
    /// Read `len` bytes of what is held, from `from` on, and tell [`Stream::body_read`].
    Read {
        /// From where on.
        from: usize,
        /// How many bytes; may be none.
        len: usize,
    },
    /// Make this edit of the body, and hold the rest.
    Cut(BodyEdits),
    /// Hold what is here, send this, tell [`Stream::asked`] if it was sent, and [`Stream::answered`] what came of it.
    Ask(Box<Call>),
    /// Make these edits, and let the request go on.
    Forward(HeadEdits, BodyEdits),
    /// Drop the body that is here, so many bytes, and tell [`Stream::dropped`].
    Drop(usize),
    /// Answer it here.
    Reply(Reply),
}

/// An answer of the gate's that waits while the rest of its request is dropped.
#[derive(Debug)]
pub(super) struct Refusal {
    reply: Reply,
    drain: Drain,
    ended: bool,
}

impl Stream {
    /// Whether more of the body has to be told. What comes of it after the request has gone on, or was answered, passes.
    #[must_use]
    pub fn takes_body(&self) -> bool {
        self.refusal.is_some() || !self.request.is_done()
    }

    /// `size` bytes of the body are held; `ends` with the last of them.
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

    /// The request has ended with trailers; what it is was said before.
    pub fn body_trailers(
        &mut self,
        agent: &mut Agent,
        host: &impl Host,
        now: Now,
    ) -> RequestAction {
        self.body_arrived(self.request.held(), true, agent, host, now)
    }

    /// What [`RequestAction::Read`] has asked for.
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

    /// [`RequestAction::Ask`] was sent.
    pub fn asked(&self, host: &impl Telemetry) {
        if let Some(question) = self.asked {
            host.measure(question.metric(), &[], 1);
        }
    }

    /// The key service has answered with a success, or failed to (`None`): the request is judged again from its head, which
    /// is as it was.
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
        let step = self.exchange.resume(head, self.ends, host, now);
        let step = self.judged(step, head, agent, host, now)?;
        let reads = matches!(step, Step::ReadBody);
        let action = self.carry_out(step, agent, host);
        let (held, ended) = (self.request.held(), self.request.ended());
        // What has arrived meanwhile is read now.
        match action {
            RequestAction::Hold if reads && (held > 0 || ended) => {
                Ok(self.body_arrived(held, ended, agent, host, now))
            }
            action => Ok(action),
        }
    }

    /// Whether the key service is asked about something for this stream.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// What [`RequestAction::Drop`] has asked for was done, or failed.
    pub fn dropped(&mut self, bytes: usize, done: bool) -> RequestAction {
        let Some(mut refusal) = self.refusal.take() else {
            return RequestAction::Hold;
        };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        // What cannot be dropped must not pile up.
        if refusal.drain.dropped(bytes, refusal.ended) || !done {
            return RequestAction::Reply(refusal.reply);
        }
        self.refusal = Some(refusal);
        RequestAction::Hold
    }

    /// The step that is carried out, where a head has led to `step`: the client's address is told where it is asked for, and
    /// only then; a body that is too large to be held is refused.
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

    /// The refusal where more is held of the body than may be.
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
                agent.renewal.hold(self.id, self.exchange.slot());
                RequestAction::Hold
            }
            // It was asked for once, and told.
            Step::Locate => RequestAction::Reply(self.unavailable()),
            Step::Resolve(digest) => self.ask(Question::Key, |service| {
                question::about_key(service, &digest)
            }),
            Step::ResolveObjects(ids) => self.ask(Question::Objects, |service| {
                question::about_objects(service, &ids)
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
        report::decided(&self.exchange, host);
        if self.policy.service().is_some() && self.exchange.attributed().is_some() {
            report::event_id(&self.event_id, host);
        }
        agent.renewal.hold(self.id, self.exchange.slot());
        agent.holding.release(self.id);
        let Release { edits, length } = self.request.release(body);
        head.set
            .extend(length.map(|length| ("content-length", length.to_string())));
        RequestAction::Forward(head, edits)
    }

    /// Answers the request: at once, or when the rest of it has arrived.
    fn refuse(&mut self, reply: Reply, agent: &mut Agent, host: &impl Host) -> RequestAction {
        report::decided(&self.exchange, host);
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
