//! A list of models on its way to a key that may not see all of it: held until it is complete, then cut down.
//!
//! # Failure policy
//! A list that cannot be read, or is longer than [`MAX`], is an upstream's fault and must not be shown whole: it becomes a
//! 502, and nothing of it follows.

use super::AnswerAction;
use crate::denial::Denial;
use crate::exchange::Exchange;
use crate::head::HeadEdits;

/// The longest list that is read, in bytes.
pub(super) const MAX: usize = 1 << 20;

/// What becomes of an answer.
#[derive(Debug, Default)]
pub(super) enum ModelList {
    /// It is none, or may be seen whole.
    #[default]
    Open,
    /// Held until it is complete; so many bytes have arrived.
    Held { size: usize },
    /// Another answer stands in its place; what still comes of it is dropped.
    Replaced,
}

impl ModelList {
    /// Whether the answer waits.
    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. })
    }

    /// Holds what comes from here on.
    pub(super) fn hold(&mut self) {
        *self = Self::Held { size: 0 };
    }

    /// `size` bytes of the answer are here: all that is held, or the next chunk. `None` where the answer is no list that has
    /// to be cut down.
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

    /// The answer ends without a last chunk of its body.
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

    /// What takes the place of the whole list, which is this.
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
            // An encoding is the likeliest reason why the list could not be read.
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
