//! The answer's part of a stream: head, metered body, and end.

use super::Stream;
use crate::denial::Reply;
use crate::head::{Head, HeadEdits};
use crate::shared::CounterStore;
use crate::usage::Output;

/// The host's next action with an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum AnswerAction {
    /// Pass on what has arrived.
    Continue,
    /// Hold what has arrived.
    Hold,
    /// Read `len` bytes of the body, which have arrived, and pass them to [`Stream::answer_read`].
    Read {
        /// How many bytes.
        len: usize,
    },
    /// Change the head, which is held, replace the body that has arrived, and pass both on.
    Replace {
        /// What to change in its head.
        head: HeadEdits,
        /// How many bytes of the body have arrived.
        len: usize,
        /// The bytes that replace the body.
        body: Vec<u8>,
    },
    /// Replace the answer by this.
    Reply(Reply),
}

impl Stream {
    /// Takes the answer's head; `ends` if there is no body. Returns the edits of the head and the next action.
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

    /// Reports that `size` bytes of the answer's body are available: the next chunk, or everything that is held. `ends`
    /// if they include the last.
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

    /// Takes the bytes of [`AnswerAction::Read`]. `ends` if they include the last of the answer.
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

    /// Reports that the answer has ended with trailers.
    pub fn answer_trailers(&mut self, store: &impl CounterStore) -> AnswerAction {
        let action = self.list.ends(&self.exchange);
        // Bytes of an unfinished event cannot be sent any more. Clients drop such an event anyway.
        let _ = self.exchange.response_ends();
        self.exchange.note_objects(store);
        action.unwrap_or(AnswerAction::Continue)
    }

    /// Reports that the host failed to read the answer's head and passes it on.
    pub fn answer_head_failed(&mut self) -> AnswerAction {
        self.exchange.response_head_lost();
        self.answer_failed()
    }

    /// Reports that the host failed to read `bytes` of the answer's body and passes them on.
    pub fn answer_body_failed(&mut self, bytes: usize) -> AnswerAction {
        self.exchange.response_body_lost(bytes);
        self.answer_failed()
    }

    /// Decides what follows a failure of the host. The answer passes, and what was not read is estimated. A list of
    /// models that the key may see only in part is replaced by a 503.
    pub fn answer_failed(&mut self) -> AnswerAction {
        if self.exchange.lists_models_in_part() {
            AnswerAction::Reply(self.unavailable())
        } else {
            AnswerAction::Continue
        }
    }
}
