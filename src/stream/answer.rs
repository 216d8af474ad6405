//! The stream's way back: the answer's head, its body past the meter, and its end.

use gmtech_core::exchange::Exchange;
use gmtech_core::usage::Output;
use proxy_wasm::types::Action;

use super::Stream;
use crate::host::Status;
use crate::host::body::{self, Buffer};
use crate::host::headers::{self, Map};
use crate::host::shared_data::SharedCounters;

impl Stream {
    pub(super) fn response_head(&mut self, ends: bool) -> Result<Action, Status> {
        let Some(exchange) = &mut self.exchange else {
            return Ok(Action::Continue);
        };
        let pairs = headers::read(Map::Response)?;
        let answer = exchange.response_head(&pairs.head());
        headers::apply(Map::Response, &answer.head)?;
        if answer.hold && !ends {
            self.list.hold();
        }
        if ends {
            let _ = exchange.response_body(&[], true);
            exchange.note_objects(&SharedCounters);
        }
        Ok(if self.list.is_held() {
            Action::Pause
        } else {
            Action::Continue
        })
    }

    /// The answer ends with trailers, and not with its last bytes.
    pub(super) fn response_trailers(&mut self) -> Result<Action, Status> {
        let Some(exchange) = &mut self.exchange else {
            return Ok(Action::Continue);
        };
        self.list.trailers(exchange)?;
        // An event that was never finished cannot go out any more; clients drop such an event anyway.
        let _ = exchange.response_ends();
        exchange.note_objects(&SharedCounters);
        Ok(Action::Continue)
    }

    /// What becomes of an answer after the host refused a call on it. A stream is never cut: what could not be read is
    /// settled by estimate. A list of models of which a part may be seen must not pass whole.
    pub(super) fn answer_failed(&self, what: &str, status: Status) -> Action {
        let exchange = self.exchange.as_ref();
        if exchange.is_some_and(Exchange::lists_models_in_part) {
            return self.refuse_after(what, status);
        }
        log::error!("gmtech: the host refused a call on {what}: {status:?}");
        Action::Continue
    }

    pub(super) fn response_body(&mut self, size: usize, ends: bool) -> Result<Action, Status> {
        let Some(exchange) = &mut self.exchange else {
            return Ok(Action::Continue);
        };
        if let Some(action) = self.list.body(size, ends, exchange)? {
            return Ok(action);
        }
        if !exchange.meters_answer() {
            return Ok(Action::Continue);
        }
        let chunk = body::read(Buffer::Response, 0, size)?;
        let output = exchange.response_body(&chunk, ends);
        exchange.note_objects(&SharedCounters);
        if let Output::Replaced(bytes) = output {
            body::replace(Buffer::Response, size, &bytes)?;
        }
        Ok(Action::Continue)
    }
}
