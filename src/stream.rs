//! One HTTP stream: hands Envoy's callbacks to an [`Exchange`] and carries out what it says.

use std::rc::Rc;

use gmtech_core::config::Policy;
use gmtech_core::denial::Denial;
use gmtech_core::exchange::{Exchange, Step};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::host::headers::{self, Map};
use crate::host::shared_data::SharedCounters;
use crate::host::{Status, clock, metrics, reply, state};

/// One stream.
pub(crate) struct Stream {
    policy: Option<Rc<Policy>>,
    exchange: Option<Exchange>,
}

impl Stream {
    pub(crate) fn new(policy: Option<Rc<Policy>>) -> Self {
        Self {
            policy,
            exchange: None,
        }
    }

    fn start(&mut self) -> Result<Action, Status> {
        let Some(policy) = &self.policy else {
            return Ok(refuse());
        };
        let pairs = headers::read(Map::Request)?;
        let (exchange, step) =
            Exchange::start(&pairs.head(), policy, &SharedCounters, clock::now()?);
        attribute(&exchange);
        let exchange = self.exchange.insert(exchange);
        match step {
            Step::Forward(edits) => {
                headers::apply(Map::Request, &edits)?;
                Ok(Action::Continue)
            }
            Step::Reply(answer) => {
                if let Some(target) = exchange.logged_target() {
                    headers::set(Map::Request, ":path", target)?;
                }
                reply::send(&answer)?;
                Ok(Action::Pause)
            }
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.start().unwrap_or_else(|status| {
            log::error!("gmtech: the host refused a call on the request's head: {status:?}");
            refuse()
        })
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if let Some(exchange) = &self.exchange
            && let Ok(pairs) = headers::read(Map::Response)
            && let Err(status) = headers::apply(Map::Response, &exchange.respond(&pairs.head()))
        {
            log::warn!("gmtech: the host refused to set the limit headers: {status:?}");
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        match clock::now() {
            Ok(now) => exchange.finish(&SharedCounters, now),
            Err(status) => log::error!("gmtech: no clock to settle by: {status:?}"),
        }
    }
}

/// The answer where nothing could be decided.
fn refuse() -> Action {
    if let Err(status) = reply::send(&Denial::Unavailable.reply()) {
        log::error!("gmtech: the host refused a local reply: {status:?}");
    }
    Action::Pause
}

/// Counts the decision and leaves it in filter state for the access log and for other filters.
fn attribute(exchange: &Exchange) {
    let principal = exchange.principal();
    let tier = principal.map_or("none", |p| p.tier().as_str());
    let decision = exchange.decision();
    metrics::count(&format!("gmtech_requests.tier.{tier}.decision.{decision}"));
    let mut entries = vec![("gmtech_decision", decision)];
    if let Some(p) = principal {
        entries.push(("gmtech_team_id", p.team().as_str()));
        entries.push(("gmtech_key_id", p.key().as_str()));
        entries.push(("gmtech_tier", tier));
    }
    if let Some(model) = exchange.model() {
        entries.push(("gmtech_model", model.as_str()));
    }
    for (name, value) in entries {
        if let Err(status) = state::set(name, value) {
            log::warn!("gmtech: the host refused filter state {name}: {status:?}");
        }
    }
}
