//! Holds a list of models until it is complete, if the key may see only part of it, and filters it.
//!
//! # Failure policy
//! A list that cannot be read, or is longer than [`MAX`], must not be shown unfiltered. It is replaced by a 502.

use super::AnswerAction;
use crate::denial::Denial;
use crate::exchange::Exchange;
use crate::head::HeadEdits;

/// The longest list that is read, in bytes.
pub(super) const MAX: usize = 1 << 20;

/// The state of an answer.
#[derive(Debug, Default)]
pub(super) enum ModelList {
    /// The answer is not a list, or may be seen whole.
    #[default]
    Open,
    /// Held until it is complete; `size` bytes have arrived.
    Held { size: usize },
    /// Replaced by another answer; further bytes are dropped.
    Replaced,
}

impl ModelList {
    /// Whether the answer is held.
    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. })
    }

    /// Begins to hold the answer.
    pub(super) fn hold(&mut self) {
        *self = Self::Held { size: 0 };
    }

    /// Takes the number of bytes that are available: everything that is held, or the next chunk. `None` if the answer
    /// need not be filtered.
    pub(super) fn arrived(
        &mut self,
        size: usize,
        ends: bool,
        exchange: &Exchange,
    ) -> Option<AnswerAction> {
        match self {
            Self::Open => None,
            Self::Held { size: held } if !ends && size <= MAX => {
                *held = size;
                Some(AnswerAction::Hold)
            }
            Self::Held { .. } => Some(self.complete(size, exchange)),
            Self::Replaced => Some(AnswerAction::Replace {
                head: HeadEdits::default(),
                len: size,
                body: Vec::new(),
            }),
        }
    }

    /// Handles the end of an answer with trailers.
    pub(super) fn ends(&mut self, exchange: &Exchange) -> Option<AnswerAction> {
        match *self {
            Self::Held { size } => Some(self.complete(size, exchange)),
            Self::Open | Self::Replaced => None,
        }
    }

    fn complete(&mut self, size: usize, exchange: &Exchange) -> AnswerAction {
        if size > 0 && size <= MAX {
            *self = Self::Held { size };
            return AnswerAction::Read { len: size };
        }
        self.replace(size, None, exchange)
    }

    /// Returns the action that replaces the whole list by the filtered one.
    pub(super) fn show(&mut self, list: &[u8], exchange: &Exchange) -> AnswerAction {
        self.replace(list.len(), exchange.listed_models(list), exchange)
    }

    fn replace(&mut self, len: usize, shown: Option<Vec<u8>>, exchange: &Exchange) -> AnswerAction {
        *self = Self::Replaced;
        if let Some(shown) = shown {
            let head = HeadEdits {
                remove: Vec::new(),
                set: vec![("content-length", shown.len().to_string())],
            };
            return AnswerAction::Replace {
                head,
                len,
                body: shown,
            };
        }
        let error = exchange.reply(&Denial::UnreadableModels).body;
        let head = HeadEdits {
            // The list was probably unreadable because of its encoding.
            remove: vec![b"content-encoding".as_slice().into()],
            set: vec![
                (":status", "502".into()),
                ("content-type", "application/json".into()),
                ("content-length", error.len().to_string()),
            ],
        };
        AnswerAction::Replace {
            head,
            len,
            body: error.into_bytes(),
        }
    }
}
