//! A stream's way back: the answer's head, its body past the meter, and its end.

use super::Stream;
use crate::denial::Reply;
use crate::head::{Head, HeadEdits};
use crate::shared::CounterStore;
use crate::usage::Output;

/// What the host does next with an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum AnswerAction {
    /// Let what is here go on.
    Continue,
    /// Hold what is here.
    Hold,
    /// Read what is here of the body, `len` bytes, and tell [`Stream::answer_read`].
    Read {
        /// How many bytes.
        len: usize,
    },
    /// Change the head, which waits, and put `body` in place of what is here; then let it go on.
    Replace {
        /// What to change in its head.
        head: HeadEdits,
        /// How many bytes of the body are here.
        len: usize,
        /// What comes in place of the body.
        body: Vec<u8>,
    },
    /// Answer with this instead.
    Reply(Reply),
}

impl Stream {
    /// The answer's head; `ends` if it has no body. What to change in it, and what comes next.
    pub fn answer_head(
        &mut self,
        head: &Head<'_>,
        ends: bool,
        store: &impl CounterStore,
    ) -> (HeadEdits, AnswerAction) {
        let answer = self.exchange.response_head(head);
        if answer.hold && !ends {
            self.list.hold();
        }
        if ends {
            let _ = self.exchange.response_body(&[], true);
            self.exchange.note_objects(store);
        }
        let action = if self.list.is_held() {
            AnswerAction::Hold
        } else {
            AnswerAction::Continue
        };
        (answer.head, action)
    }

    /// `size` bytes of the answer's body are here, the next chunk or all that is held; `ends` with the last of them.
    pub fn answer_arrived(&mut self, size: usize, ends: bool) -> AnswerAction {
        if let Some(action) = self.list.arrived(size, ends, &self.exchange) {
            return action;
        }
        if self.exchange.meters_answer() {
            AnswerAction::Read { len: size }
        } else {
            AnswerAction::Continue
        }
    }

    /// What [`AnswerAction::Read`] has asked for; `ends` with the last bytes of the answer.
    pub fn answer_read(
        &mut self,
        chunk: &[u8],
        ends: bool,
        store: &impl CounterStore,
    ) -> AnswerAction {
        if self.list.is_held() {
            return self.list.show(chunk, &self.exchange);
        }
        let output = self.exchange.response_body(chunk, ends);
        self.exchange.note_objects(store);
        match output {
            Output::Unchanged => AnswerAction::Continue,
            Output::Replaced(body) => AnswerAction::Replace {
                head: HeadEdits::default(),
                len: chunk.len(),
                body,
            },
        }
    }

    /// The answer ends with trailers, and not with its last bytes.
    pub fn answer_trailers(&mut self, store: &impl CounterStore) -> AnswerAction {
        let action = self.list.ends(&self.exchange);
        // An event that was never finished cannot go out any more; clients drop such an event anyway.
        let _ = self.exchange.response_ends();
        self.exchange.note_objects(store);
        action.unwrap_or(AnswerAction::Continue)
    }

    /// The host failed on the answer's head, which passes unread.
    pub fn answer_head_failed(&mut self) -> AnswerAction {
        self.exchange.response_head_lost();
        self.answer_failed()
    }

    /// The host failed on the answer's body, `bytes` of which pass unread.
    pub fn answer_body_failed(&mut self, bytes: usize) -> AnswerAction {
        self.exchange.response_body_lost(bytes);
        self.answer_failed()
    }

    /// The host failed on the answer. A stream is never cut: what could not be read is settled by estimate. A list of models
    /// of which a part may be seen must not pass whole.
    pub fn answer_failed(&mut self) -> AnswerAction {
        if self.exchange.lists_models_in_part() {
            AnswerAction::Reply(self.unavailable())
        } else {
            AnswerAction::Continue
        }
    }
}
