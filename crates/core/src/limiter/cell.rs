//! Cells: the limits that apply to a request, each by whose it is and what it counts.

use std::num::NonZeroU32;

use crate::limiter::gcra::{Limit, Standing};
use crate::time::Nanos;

/// Whose a limit is. Counters are charged in this order, so that every worker takes them in the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One key, with those that rotation continues it with.
    Key,
    /// One key's use of one model; its id is `<key>/<model>`.
    KeyAndModel,
    /// Everything with one tag.
    Tag,
    /// All keys of a team.
    Team,
}

impl Scope {
    /// Its name in `GET /limits`, in the header `x-ratelimit-scope` and in names of the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::KeyAndModel => "key_and_model",
            Self::Tag => "tag",
            Self::Team => "team",
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
    /// Requests under way at once.
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

/// The limits of one scope and id; `None` where something is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute.
    pub requests: Option<Limit>,
    /// Tokens a minute.
    pub tokens: Option<Limit>,
    /// Requests under way at once.
    pub max_in_flight: Option<NonZeroU32>,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Whose it is.
    pub scope: Scope,
    /// Of which key, team, or whatever the scope says.
    pub id: String,
    /// What it counts.
    pub dimension: Dimension,
    /// Units a minute, or at once.
    pub limit: u32,
}

/// What a cell shows at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellStanding {
    /// The limit.
    pub cell: Cell,
    /// Units spent and not yet restored, rounded up; above the burst where there is debt.
    pub used: u64,
    /// Whole units that would be admitted at that instant.
    pub remaining: u32,
    /// Until fully restored; `None` where no time restores it.
    pub reset: Option<Nanos>,
}

/// What the limits show at one instant: of each dimension the cell that leaves the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitSnapshot {
    /// The requests limit.
    pub requests: Option<Standing>,
    /// The tokens limit.
    pub tokens: Option<Standing>,
    /// Requests under way, and how many may be.
    pub in_flight: Option<InFlight>,
}

/// Requests under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// How many may be.
    pub limit: u32,
    /// How many are.
    pub used: u32,
}

impl InFlight {
    /// How many more may be.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        self.limit.saturating_sub(self.used)
    }
}

impl LimitSnapshot {
    /// Of each dimension the one of the two that leaves less; that which takes longer to restore, if both leave as much.
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
