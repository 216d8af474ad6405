//! One HTTP stream: hands Envoy's callbacks to an [`Exchange`] and carries out what it says.

use std::sync::Arc;

use gmtech_core::address;
use gmtech_core::config::Policy;
use gmtech_core::denial::{Audience, Denial};
use gmtech_core::exchange::{Exchange, Forward, Step};
use gmtech_core::head::Head;
use gmtech_core::request::UsageEdit;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::host::callout;
use crate::host::headers::{self, Map};
use crate::host::shared_data::SharedCounters;
use crate::host::{self, Status, reply, system};
use crate::model_list::ModelList;
use crate::refusal::Refusal;
use crate::request_body::HeldBody;
use crate::{holding, report, slots, usage};

mod answer;
mod question;

use question::Question;

/// One stream.
pub(crate) struct Stream {
    id: u32,
    policy: Option<Arc<Policy>>,
    exchange: Option<Exchange>,
    request: HeldBody,
    /// What the key service is asked about, for this stream.
    asked: Option<Question>,
    /// The request has no body.
    ends: bool,
    /// An answer of the gate's that waits for the rest of the request.
    refusal: Option<Refusal>,
    event_id: [u8; 16],
    list: ModelList,
}

impl Stream {
    pub(crate) fn new(id: u32, policy: Option<Arc<Policy>>) -> Self {
        Self {
            id,
            policy,
            exchange: None,
            request: HeldBody::default(),
            asked: None,
            ends: false,
            refusal: None,
            event_id: [0; 16],
            list: ModelList::default(),
        }
    }

    fn start(&mut self, ends: bool) -> Result<Action, Status> {
        let Some(policy) = self.policy.clone() else {
            return Ok(self.refuse());
        };
        let pairs = headers::read(Map::Request)?;
        let head = pairs.head();
        let (exchange, step) =
            Exchange::start(&head, ends, &policy, &SharedCounters, system::now()?);
        self.request = HeldBody::new(head.get("content-length"));
        self.request.arrived(0, ends);
        for (name, value) in exchange.redacted() {
            headers::set(Map::Request, name, value)?;
        }
        report::arrived(&exchange);
        if policy.service().is_some() {
            self.event_id = usage::new_id()?;
        }
        self.exchange = Some(exchange);
        self.ends = ends;
        let step = self.located(step, &head)?;
        let step = self.within_bounds(step)?;
        self.carry_out(step)
    }

    /// The step itself, or the one that follows once the client's address is known. Only a key that is bound to
    /// addresses costs the call for it.
    fn located(&mut self, step: Step, head: &Head<'_>) -> Result<Step, Status> {
        let (Step::Locate, Some(exchange)) = (&step, &mut self.exchange) else {
            return Ok(step);
        };
        exchange.locate(address::of_peer(&host::stream::client_address()?));
        Ok(exchange.resume(head, self.ends, &SharedCounters, system::now()?))
    }

    /// The step itself, or the refusal where it would have Envoy hold too much.
    fn within_bounds(&mut self, step: Step) -> Result<Step, Status> {
        let Some(exchange) = &mut self.exchange else {
            return Ok(step);
        };
        if self.ends || !matches!(step, Step::ReadBody | Step::Resolve(_)) {
            return Ok(step);
        }
        let refused = holding::hold(self.id, self.request.body(), exchange)?;
        Ok(refused.unwrap_or(step))
    }

    /// Hands over what has arrived of the body since the last callback; `size` is that of all of it.
    fn request_body(&mut self, size: usize, ends: bool) -> Result<Action, Status> {
        let Some(exchange) = &mut self.exchange else {
            return Ok(Action::Continue);
        };
        if self.refusal.is_some() {
            Refusal::drop_body(&mut self.refusal, size, ends)?;
            return Ok(Action::Pause);
        }
        if self.request.is_done() {
            return Ok(Action::Continue);
        }
        self.request.arrived(size, ends);
        if let Some(refused) = holding::hold(self.id, self.request.body(), exchange)? {
            self.asked = None;
            return self.carry_out(refused);
        }
        if self.asked.is_some() {
            return Ok(Action::Pause);
        }
        let chunk = self.request.read_new(size)?;
        let step = exchange.request_body(&chunk, ends, &SharedCounters, system::now()?);
        let front = match &step {
            Step::ReadBody => exchange.open_brace(),
            Step::Forward(Forward {
                body: UsageEdit::InsertAtOpen { at },
                ..
            }) => usize::try_from(*at).ok(),
            _ => None,
        };
        self.request.keep_front_reachable(size, chunk, front)?;
        self.carry_out(step)
    }

    fn carry_out(&mut self, step: Step) -> Result<Action, Status> {
        let Some(exchange) = &self.exchange else {
            return Ok(self.refuse());
        };
        match step {
            Step::ReadBody => {
                slots::hold(self.id, exchange.slot());
                Ok(Action::Pause)
            }
            // It was asked for once, and answered.
            Step::Locate => Ok(self.refuse()),
            Step::Resolve(digest) => self.ask_key(&digest),
            Step::ResolveObjects(ids) => self.ask_objects(&ids),
            Step::Forward(forward) => {
                report::decided(exchange);
                let reports = self.policy.as_ref().is_some_and(|p| p.service().is_some());
                if reports && exchange.attributed().is_some() {
                    report::named(&self.event_id);
                }
                slots::hold(self.id, exchange.slot());
                holding::release(self.id);
                headers::apply(Map::Request, &forward.head)?;
                self.request.release(forward.body)?;
                Ok(Action::Continue)
            }
            Step::Reply(answer) => {
                report::decided(exchange);
                slots::release(self.id);
                holding::release(self.id);
                self.request.give_up();
                let (held, ended) = self.request.state();
                self.refusal = Refusal::begin(answer, ended, held)?;
                Ok(Action::Pause)
            }
        }
    }

    /// The answer where nothing could be decided.
    fn refuse(&self) -> Action {
        let denial = Denial::Unavailable;
        let answer = match &self.exchange {
            Some(exchange) => exchange.reply(&denial),
            // Nobody knows yet who asked.
            None => denial.reply(&Audience::default(), 0),
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

impl Context for Stream {
    fn on_http_call_response(&mut self, _: u32, _: usize, size: usize, _: usize) {
        if self.asked.is_none() {
            return;
        }
        let answer = callout::answer(size).unwrap_or_default();
        let action = self
            .resolved(answer)
            .unwrap_or_else(|s| self.refuse_after("the key service's answer", s));
        if action == Action::Continue
            && let Err(status) = host::stream::continue_request()
        {
            log::error!("gmtech: the host refused to let a request go on: {status:?}");
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, ends: bool) -> Action {
        self.start(ends)
            .unwrap_or_else(|s| self.refuse_after("the request's head", s))
    }

    fn on_http_request_body(&mut self, size: usize, ends: bool) -> Action {
        self.request_body(size, ends)
            .unwrap_or_else(|s| self.refuse_after("the request's body", s))
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        let (size, _) = self.request.state();
        self.request_body(size, true)
            .unwrap_or_else(|s| self.refuse_after("the request's trailers", s))
    }

    fn on_http_response_headers(&mut self, _: usize, ends: bool) -> Action {
        self.response_head(ends).unwrap_or_else(|status| {
            if let Some(exchange) = &mut self.exchange {
                exchange.response_head_lost();
            }
            self.answer_failed("the answer's head", status)
        })
    }

    fn on_http_response_body(&mut self, size: usize, ends: bool) -> Action {
        self.response_body(size, ends).unwrap_or_else(|status| {
            if let Some(exchange) = &mut self.exchange {
                exchange.response_body_lost(size);
            }
            self.answer_failed("the answer's body", status)
        })
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.response_trailers()
            .unwrap_or_else(|s| self.answer_failed("the answer's trailers", s))
    }

    fn on_log(&mut self) {
        slots::release(self.id);
        holding::release(self.id);
        let (Some(policy), Some(exchange)) = (&self.policy, &mut self.exchange) else {
            return;
        };
        match system::now() {
            Ok(now) => {
                let before = exchange.decision();
                let ended = exchange.end(self.event_id, &SharedCounters, now);
                if exchange.decision() != before {
                    report::decided(exchange);
                }
                if let Some(settlement) = &ended.settlement {
                    report::settled(exchange, settlement);
                }
                if let Some(service) = policy.service() {
                    for event in ended.events {
                        usage::push(event, service, now.monotonic);
                    }
                }
            }
            Err(status) => log::error!("gmtech: no clock to settle by: {status:?}"),
        }
    }
}
