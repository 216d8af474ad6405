//! The charge of one counter: what is asked for, what was charged, and how it ends.

use super::cell::{Dimension, LimitSnapshot};
use super::cost::{Cost, TokenBounds};
use crate::limiter::gcra::{Exceeded, Hold};
use crate::time::{Nanos, SECOND};

/// How long a place in flight lasts without renewal.
pub const SLOT_LIFETIME: Nanos = 30 * SECOND;

/// A place in flight, by its number within the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot(pub(super) u64);

/// The open charge of a request in one counter. A field is `None` if it has nothing to settle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) request: Option<Hold>,
    pub(super) tokens: Option<Hold>,
    pub(super) slot: Option<Slot>,
}

/// The units that a charge asks for in one counter.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    pub(super) requests: u64,
    pub(super) tokens: TokenBounds,
    /// Whether the tokens are charged, or must only be available.
    pub(super) holds_tokens: bool,
    /// Whether this is the last counter, so that no other can refuse and the request is charged for good.
    pub(super) last: bool,
}

/// How a charge ends.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    /// Everything is given back.
    GiveBack,
    /// The request stays charged and has used these tokens.
    Used {
        /// The tokens.
        tokens: u64,
    },
}

/// A limit of one counter that refused. Nothing of the counter was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) dimension: Dimension,
    pub(super) exceeded: Exceeded,
    pub(super) requested: u64,
    /// The standing of the counter's limits.
    pub(super) snapshot: LimitSnapshot,
}

impl Ask {
    /// Asks for this cost.
    pub(super) fn cost(cost: Cost) -> Self {
        Self {
            requests: cost.requests,
            tokens: cost.tokens,
            holds_tokens: true,
            last: false,
        }
    }

    /// Asks for the tokens of an admitted request.
    pub(super) fn tokens(tokens: TokenBounds) -> Self {
        Self::cost(Cost {
            requests: 0,
            tokens,
        })
    }

    /// Asks for one request, if `least` tokens are available.
    pub(super) fn enter(least: u64) -> Self {
        Self {
            requests: 1,
            tokens: TokenBounds::exactly(least),
            holds_tokens: false,
            last: false,
        }
    }

    /// The same for the next counter, with at most the tokens `held` so far.
    pub(super) fn of_next(self, held: Option<u64>, last: bool) -> Self {
        let most = held.map_or(self.tokens.most, |held| held.min(self.tokens.most));
        Self {
            tokens: TokenBounds {
                most,
                ..self.tokens
            },
            last,
            ..self
        }
    }
}

impl Charge {
    /// The tokens that are held; `None` if the counter does not limit tokens.
    pub(super) fn tokens_held(&self) -> Option<u64> {
        self.tokens.map(|held| held.units())
    }

    /// Whether this ending changes nothing.
    pub(super) fn is_ended_by(&self, ending: Ending) -> bool {
        let used = match ending {
            Ending::GiveBack => 0,
            Ending::Used { tokens } => tokens,
        };
        let same_tokens = self.tokens_held().is_none_or(|held| held == 0 && used == 0);
        same_tokens && self.request.is_none() && self.slot.is_none()
    }
}

impl Refused {
    /// How long to wait before trying again.
    pub(super) fn wait(&self) -> Nanos {
        wait(self.exceeded)
    }
}

/// How long a refusal lasts; [`u64::MAX`] if no wait helps.
pub(super) fn wait(exceeded: Exceeded) -> Nanos {
    match exceeded {
        Exceeded::Wait(wait) => wait,
        Exceeded::Never => Nanos::MAX,
    }
}
