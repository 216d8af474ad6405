//! One HTTP stream: passes Envoy's callbacks to a [`Stream`] of the core and carries out its actions.

use std::sync::Arc;

use gmtech_core::config::Policy;
use gmtech_core::denial::{Audience, Denial};
use gmtech_core::stream::{AnswerAction, Reach, RequestAction, Stream};
use gmtech_core::time::Now;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::host::body::{self, Buffer};
use crate::host::headers::{self, Map};
use crate::host::{self, Envoy, Status, callout, reply, system};
use crate::worker;

/// The filter's state for one stream.
pub(crate) struct Filter {
    id: u32,
    policy: Option<Arc<Policy>>,
    /// `None` before the request's head is read, and if there is no policy.
    stream: Option<Stream>,
}

impl Filter {
    pub(crate) fn new(id: u32, policy: Option<Arc<Policy>>) -> Self {
        Self {
            id,
            policy,
            stream: None,
        }
    }

    fn start(&mut self, ends: bool) -> Result<Action, Status> {
        let Some(policy) = &self.policy else {
            return Ok(self.refuse());
        };
        let pairs = headers::read(Map::Request)?;
        let head = (&pairs.head(), ends);
        let now = system::now()?;
        let (stream, action) = worker::with(|agent| {
            Stream::start(self.id, head, policy, Reach::Front, agent, &Envoy, now)
        })?;
        let redaction = stream.redaction();
        self.stream = Some(stream);
        headers::apply(Map::Request, &redaction)?;
        self.carry_out(action?, now)
    }

    fn request_body(&mut self, size: usize, ends: bool) -> Result<Action, Status> {
        let Some(stream) = self.stream.as_mut().filter(|s| s.takes_body()) else {
            return Ok(Action::Continue);
        };
        let now = system::now()?;
        let action = worker::with(|agent| stream.body_arrived(size, ends, agent, &Envoy, now))?;
        self.carry_out(action, now)
    }

    fn request_trailers(&mut self) -> Result<Action, Status> {
        let Some(stream) = self.stream.as_mut().filter(|s| s.takes_body()) else {
            return Ok(Action::Continue);
        };
        let now = system::now()?;
        let action = worker::with(|agent| stream.body_trailers(agent, &Envoy, now))?;
        self.carry_out(action, now)
    }

    /// Passes the key service's answer on; `None` if the service was not reached.
    fn answered(&mut self, answer: Option<&[u8]>, now: Now) -> Result<RequestAction, Status> {
        let Some(stream) = &mut self.stream else {
            return Ok(RequestAction::Hold);
        };
        let pairs = headers::read(Map::Request)?;
        let head = pairs.head();
        worker::with(|agent| stream.answered(answer, &head, agent, &Envoy, now))?
    }

    fn resolved(&mut self, size: usize) -> Result<Action, Status> {
        let answer = callout::answer(size).unwrap_or_default();
        let now = system::now()?;
        let action = self.answered(answer.as_deref(), now)?;
        self.carry_out(action, now)
    }

    /// Carries out actions until the request is passed on, held or answered.
    fn carry_out(&mut self, mut action: RequestAction, now: Now) -> Result<Action, Status> {
        // The range of the body that was read in this callback.
        let mut chunk = Vec::new();
        loop {
            let Some(stream) = &mut self.stream else {
                return Ok(self.refuse());
            };
            action = match action {
                RequestAction::Continue => return Ok(Action::Continue),
                RequestAction::Hold => return Ok(Action::Pause),
                RequestAction::Read { from, len } => {
                    chunk = body::read(Buffer::Request, from, len)?;
                    worker::with(|agent| stream.body_read(&chunk, agent, &Envoy, now))?
                }
                RequestAction::Cut(edits) => {
                    body::edit(Buffer::Request, &edits, chunk)?;
                    return Ok(Action::Pause);
                }
                RequestAction::Ask(call) => {
                    if callout::send(self, &call).is_none() {
                        self.answered(None, now)?
                    } else {
                        self.asked();
                        return Ok(Action::Pause);
                    }
                }
                RequestAction::Forward(head, edits) => {
                    headers::apply(Map::Request, &head)?;
                    body::edit(Buffer::Request, &edits, chunk)?;
                    return Ok(Action::Continue);
                }
                RequestAction::Drop(len) => {
                    let dropped = body::replace(Buffer::Request, len, &[]).is_ok();
                    stream.dropped(len, dropped)
                }
                RequestAction::Reply(answer) => {
                    reply::send(&answer)?;
                    return Ok(Action::Pause);
                }
            };
        }
    }

    fn asked(&self) {
        if let Some(stream) = &self.stream {
            stream.asked(&Envoy);
        }
    }

    fn response_head(&mut self, ends: bool) -> Result<Action, Status> {
        let Some(stream) = &mut self.stream else {
            return Ok(Action::Continue);
        };
        let pairs = headers::read(Map::Response)?;
        let (edits, action) = stream.answer_head(&pairs.head(), ends, &Envoy);
        headers::apply(Map::Response, &edits)?;
        self.carry_out_answer(action, ends)
    }

    fn response_body(&mut self, size: usize, ends: bool) -> Result<Action, Status> {
        let Some(stream) = &mut self.stream else {
            return Ok(Action::Continue);
        };
        let action = stream.answer_arrived(size, ends);
        self.carry_out_answer(action, ends)
    }

    fn response_trailers(&mut self) -> Result<Action, Status> {
        let Some(stream) = &mut self.stream else {
            return Ok(Action::Continue);
        };
        let action = stream.answer_trailers(&Envoy);
        self.carry_out_answer(action, true)
    }

    /// Carries out actions until the answer is passed on, held or replaced.
    fn carry_out_answer(&mut self, mut action: AnswerAction, ends: bool) -> Result<Action, Status> {
        loop {
            action = match (action, &mut self.stream) {
                (AnswerAction::Read { len }, Some(stream)) => {
                    let chunk = body::read(Buffer::Response, 0, len)?;
                    stream.answer_read(&chunk, ends, &Envoy)
                }
                (AnswerAction::Continue | AnswerAction::Read { .. }, _) => {
                    return Ok(Action::Continue);
                }
                (AnswerAction::Hold, _) => return Ok(Action::Pause),
                (AnswerAction::Replace { head, len, body }, _) => {
                    headers::apply(Map::Response, &head)?;
                    body::replace(Buffer::Response, len, &body)?;
                    return Ok(Action::Continue);
                }
                (AnswerAction::Reply(answer), _) => {
                    reply::send(&answer)?;
                    return Ok(Action::Pause);
                }
            };
        }
    }

    /// Decides what follows a failed host call on the answer.
    fn answer_failed(
        &mut self,
        what: &str,
        status: Status,
        failed: impl FnOnce(&mut Stream) -> AnswerAction,
    ) -> Action {
        log::error!("gmtech: the host refused a call on {what}: {status:?}");
        let Some(stream) = &mut self.stream else {
            return Action::Continue;
        };
        let action = failed(stream);
        self.carry_out_answer(action, true)
            .unwrap_or_else(|_| self.refuse())
    }

    /// Answers 503, since nothing could be decided.
    fn refuse(&self) -> Action {
        let answer = match &self.stream {
            Some(stream) => stream.unavailable(),
            // The client's dialect is not known yet.
            None => Denial::Unavailable.reply(&Audience::default(), 0),
        };
        if let Err(status) = reply::send(&answer) {
            log::error!("gmtech: the host refused a local reply: {status:?}");
        }
        Action::Pause
    }

    fn refuse_after(&self, what: &str, status: Status) -> Action {
        log::error!("gmtech: the host refused a call on {what}: {status:?}");
        self.refuse()
    }
}

impl Context for Filter {
    fn on_http_call_response(&mut self, _: u32, _: usize, size: usize, _: usize) {
        if !self.stream.as_ref().is_some_and(Stream::is_asking) {
            return;
        }
        let action = self
            .resolved(size)
            .unwrap_or_else(|s| self.refuse_after("the key service's answer", s));
        if action == Action::Continue
            && let Err(status) = host::stream::continue_request()
        {
            log::error!("gmtech: the host refused to continue a request: {status:?}");
        }
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _: usize, ends: bool) -> Action {
        self.start(ends)
            .unwrap_or_else(|s| self.refuse_after("the request's head", s))
    }

    fn on_http_request_body(&mut self, size: usize, ends: bool) -> Action {
        self.request_body(size, ends)
            .unwrap_or_else(|s| self.refuse_after("the request's body", s))
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.request_trailers()
            .unwrap_or_else(|s| self.refuse_after("the request's trailers", s))
    }

    fn on_http_response_headers(&mut self, _: usize, ends: bool) -> Action {
        self.response_head(ends).unwrap_or_else(|s| {
            self.answer_failed("the answer's head", s, Stream::answer_head_failed)
        })
    }

    fn on_http_response_body(&mut self, size: usize, ends: bool) -> Action {
        self.response_body(size, ends).unwrap_or_else(|s| {
            self.answer_failed("the answer's body", s, |stream| {
                stream.answer_body_failed(size)
            })
        })
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.response_trailers().unwrap_or_else(|s| {
            self.answer_failed("the answer's trailers", s, |stream| stream.answer_failed())
        })
    }

    fn on_log(&mut self) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let now = system::now();
        if let Err(status) = &now {
            log::error!(
                "gmtech: the stream was not settled, since the host's clock failed: {status:?}"
            );
        }
        if let Err(status) = worker::with(|agent| stream.end(agent, &Envoy, now.ok())) {
            log::error!("gmtech: a stream could not be settled: {status:?}");
        }
    }
}
