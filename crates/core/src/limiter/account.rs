//! Whose quota is spent, by which limits, and what a request asks of it.

use std::num::NonZeroU32;

use crate::ident::KeyId;
use crate::limiter::gcra::{Limit, Standing};
use crate::shared::names;

/// The limits of one key, compiled from its tier and its overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute.
    pub requests: Limit,
    /// Tokens a minute.
    pub tokens: Limit,
    /// Requests under way at once.
    pub max_in_flight: Option<NonZeroU32>,
}

/// Whose quota is spent, and by which limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub(super) key: Vec<u8>,
    pub(super) limits: Limits,
}

impl Account {
    /// The account under `key`: the first of the chain that rotation continues.
    #[must_use]
    pub fn of(key: &KeyId, limits: Limits) -> Self {
        Self {
            key: names::spent(key),
            limits,
        }
    }

    /// The limits that apply.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Tokens asked for: as many as are there, between the least that will do and the most that it could
/// need. A generous cap of the client's is thus never by itself a reason to refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenBounds {
    /// Without these it is refused.
    pub least: u64,
    /// Not more than these are held.
    pub most: u64,
}

impl TokenBounds {
    /// Exactly `tokens`.
    #[must_use]
    pub fn exactly(tokens: u64) -> Self {
        Self {
            least: tokens,
            most: tokens,
        }
    }

    /// The bid of a request by its parts, all in tokens: the `prompt` as estimated, the output `expected`
    /// and the `most` that it was allowed. What exceeds the `limit` only by its output is held to the limit.
    #[must_use]
    pub fn new(prompt: u64, expected: u64, most: u64, limit: &Limit) -> Self {
        let ceiling = u64::from(limit.burst()).max(prompt);
        let least = prompt.saturating_add(expected.min(most)).min(ceiling);
        Self {
            least,
            most: prompt.saturating_add(most).min(ceiling).max(least),
        }
    }
}

/// What a request costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Requests, normally one.
    pub requests: u64,
    /// Tokens to hold until it is settled.
    pub tokens: TokenBounds,
}

/// What an account shows at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSnapshot {
    /// The requests limit.
    pub requests: Standing,
    /// The tokens limit.
    pub tokens: Standing,
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

/// The limit that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
    /// Requests under way at once.
    InFlight,
}
