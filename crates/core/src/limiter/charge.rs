//! What is asked of one counter, what it was charged, and how that ends.

use super::cell::{Dimension, LimitSnapshot};
use super::cost::{Cost, TokenBounds};
use crate::limiter::gcra::{Exceeded, Hold};
use crate::time::{Nanos, SECOND};

/// How long a place in flight is held without being renewed.
pub const SLOT_LIFETIME: Nanos = 30 * SECOND;

/// A place among the requests under way, by its number within the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot(pub(super) u64);

/// What a request was charged in one counter, until it is settled; `None` where nothing is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) request: Option<Hold>,
    pub(super) tokens: Option<Hold>,
    pub(super) slot: Option<Slot>,
}

/// What is asked of one counter.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    pub(super) requests: u64,
    pub(super) tokens: TokenBounds,
    /// Whether the tokens are charged, or only have to be there.
    pub(super) holds_tokens: bool,
    /// Whether no other counter can refuse any more, so that the request is charged for good.
    pub(super) last: bool,
}

/// How a charge ends.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    /// With everything given back.
    GiveBack,
    /// As a request that has used so many tokens.
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
    /// What the counter showed.
    pub(super) snapshot: LimitSnapshot,
}

impl Ask {
    /// To charge this cost.
    pub(super) fn cost(cost: Cost) -> Self {
        Self {
            requests: cost.requests,
            tokens: cost.tokens,
            holds_tokens: true,
            last: false,
        }
    }

    /// To charge these tokens to a request that has entered.
    pub(super) fn tokens(tokens: TokenBounds) -> Self {
        Self::cost(Cost {
            requests: 0,
            tokens,
        })
    }

    /// To charge one request, provided that `least` tokens are there.
    pub(super) fn enter(least: u64) -> Self {
        Self {
            requests: 1,
            tokens: TokenBounds::exactly(least),
            holds_tokens: false,
            last: false,
        }
    }

    /// The same of the next counter: for no more tokens than were `held` so far.
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
    /// The tokens that are held; `None` where the counter does not limit them.
    pub(super) fn tokens_held(&self) -> Option<u64> {
        self.tokens.map(|held| held.units())
    }

    /// Whether the ending changes nothing.
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
    /// Until it is worth trying again.
    pub(super) fn wait(&self) -> Nanos {
        wait(self.exceeded)
    }
}

/// How long a refusal lasts; the longest there is where no wait helps.
pub(super) fn wait(exceeded: Exceeded) -> Nanos {
    match exceeded {
        Exceeded::Wait(wait) => wait,
        Exceeded::Never => Nanos::MAX,
    }
}
