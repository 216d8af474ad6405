//! Cells: the limits that apply to a request, each with its owner and what it counts.

use std::num::NonZeroU32;

use crate::limiter::gcra::{Limit, Standing};
use crate::time::Nanos;

/// The scope of a limit: the kind of its owner. Every worker charges counters in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One key, with the other keys of its rotation chain.
    Key,
    /// One key's use of one model; its id is `<key>/<model>`.
    KeyAndModel,
    /// Everything with one tag.
    Tag,
    /// All keys of a team.
    Team,
    /// One key's questions about its own account.
    OwnAccount,
}

impl Scope {
    /// The name in `GET /limits`, in the header `x-ratelimit-scope`, and in the store's keys.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::KeyAndModel => "key_and_model",
            Self::Tag => "tag",
            Self::Team => "team",
            Self::OwnAccount => "own_account",
        }
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
    /// Requests in flight at once.
    InFlight,
}

impl Dimension {
    /// Every dimension, in the order in which limits are shown.
    pub const ALL: [Self; 3] = [Self::Requests, Self::Tokens, Self::InFlight];

    /// Its name in `GET /limits`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_minute",
            Self::Tokens => "tokens_per_minute",
            Self::InFlight => "max_in_flight",
        }
    }
}

/// The limits of one owner; `None` for a dimension that is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute.
    pub requests: Option<Limit>,
    /// Tokens a minute.
    pub tokens: Option<Limit>,
    /// Requests in flight at once.
    pub max_in_flight: Option<NonZeroU32>,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Whose it is.
    pub scope: Scope,
    /// The owner's id within the scope.
    pub id: String,
    /// What it counts.
    pub dimension: Dimension,
    /// Units a minute, or at once.
    pub limit: u32,
}

/// The standing of a cell at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellStanding {
    /// The limit.
    pub cell: Cell,
    /// Units spent and not yet restored, rounded up. It exceeds the burst if there is debt.
    pub used: u64,
    /// Whole units that would be admitted.
    pub remaining: u32,
    /// Nanoseconds until fully restored; `None` if time does not restore it.
    pub reset: Option<Nanos>,
}

/// The level of a limit at one instant, for people who watch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The scope of the limit.
    pub scope: Scope,
    /// What it counts.
    pub dimension: Dimension,
    /// Units a minute, or at once.
    pub limit: u32,
    /// Units spent and not yet restored, rounded up, with those that are reserved.
    pub used: u64,
    /// Units of it that requests under way have reserved and may give back.
    pub reserved: u64,
    /// Whole units that would be admitted.
    pub remaining: u32,
    /// Milliseconds until fully restored; `None` if time does not restore it.
    pub reset_ms: Option<u64>,
}

/// The standing of the limits at one instant: for each dimension, that of the cell with the least remaining.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitSnapshot {
    /// The requests limit.
    pub requests: Option<Standing>,
    /// The tokens limit.
    pub tokens: Option<Standing>,
    /// The requests in flight, and their limit.
    pub in_flight: Option<InFlight>,
}

/// The standing of a limit of requests in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// How many requests may be in flight.
    pub limit: u32,
    /// How many are in flight.
    pub used: u32,
}

impl InFlight {
    /// How many more may enter.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        self.limit.saturating_sub(self.used)
    }
}

impl LimitSnapshot {
    /// Takes for each dimension the standing with less remaining. If both have the same remaining, it takes the one
    /// with the later reset.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        let rate = |s: &Standing| (s.remaining, std::cmp::Reverse(s.reset));
        Self {
            requests: least(self.requests, other.requests, rate),
            tokens: least(self.tokens, other.tokens, rate),
            in_flight: least(self.in_flight, other.in_flight, InFlight::remaining),
        }
    }
}

fn least<T, O: Ord>(one: Option<T>, other: Option<T>, order: impl Fn(&T) -> O) -> Option<T> {
    one.into_iter().chain(other).min_by_key(order)
}
