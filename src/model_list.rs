//! A list of models on its way to a key that may not see all of it: held until it is complete, then cut down.
//!
//! # Failure policy
//! A list that cannot be read, or is longer than [`MAX`], is an upstream's fault and must not be shown whole:
//! it becomes a 502, and nothing of it follows.

use gmtech_core::denial::{Denial, Reply};
use gmtech_core::exchange::Exchange;
use gmtech_core::head::HeadEdits;
use proxy_wasm::types::Action;

use crate::host::Status;
use crate::host::body::{self, Buffer};
use crate::host::headers::{self, Map};

/// The longest list that is read, in bytes.
const MAX: usize = 1 << 20;

/// What becomes of an answer.
#[derive(Default)]
pub(crate) enum ModelList {
    /// It is none, or may be seen whole.
    #[default]
    Open,
    /// Held until it is complete; so many bytes have arrived.
    Held { size: usize },
    /// An error stands in its place; what still comes of it is dropped.
    Replaced,
}

impl ModelList {
    /// Whether the answer's head must wait.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. })
    }

    /// Holds what comes from now on.
    pub(crate) fn hold(&mut self) {
        *self = Self::Held { size: 0 };
    }

    /// Takes `size` bytes of the answer: what is held so far, or the next chunk. `None` where the answer is no
    /// business of a list's.
    pub(crate) fn body(
        &mut self,
        size: usize,
        ends: bool,
        exchange: &Exchange,
    ) -> Result<Option<Action>, Status> {
        match self {
            Self::Open => return Ok(None),
            Self::Held { size: held } if !ends && size <= MAX => {
                *held = size;
                return Ok(Some(Action::Pause));
            }
            Self::Held { .. } => self.show(size, exchange)?,
            Self::Replaced => body::replace(Buffer::Response, size, &[])?,
        }
        Ok(Some(Action::Continue))
    }

    /// The answer ends here, without a last chunk of its body.
    pub(crate) fn trailers(&mut self, exchange: &Exchange) -> Result<(), Status> {
        match *self {
            Self::Held { size } => self.show(size, exchange),
            Self::Open | Self::Replaced => Ok(()),
        }
    }

    fn show(&mut self, size: usize, exchange: &Exchange) -> Result<(), Status> {
        *self = Self::Replaced;
        let listed = if size <= MAX {
            exchange.listed_models(&body::read(Buffer::Response, 0, size)?)
        } else {
            None
        };
        if let Some(listed) = listed {
            headers::set(Map::Response, "content-length", &listed.len().to_string())?;
            return body::replace(Buffer::Response, size, &listed);
        }
        let Reply { body: error, .. } = exchange.reply(&Denial::UnreadableModels);
        let head = HeadEdits {
            // An encoding is the likeliest reason why the list could not be read.
            remove: vec![b"content-encoding".as_slice().into()],
            set: vec![
                (":status", "502".into()),
                ("content-type", "application/json".into()),
                ("content-length", error.len().to_string()),
            ],
        };
        headers::apply(Map::Response, &head)?;
        body::replace(Buffer::Response, size, error.as_bytes())
    }
}
