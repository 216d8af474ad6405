//! What usage comes to, and what of it is looked at.

use gmtech_core::decision::Outcome;
use gmtech_core::sync::events::{Label, NamedDecision};
use gmtech_core::vocabulary;

use crate::store::{KeyDay, UsageRow, UsageSpan};

vocabulary! {
    /// What of usage is looked at.
    pub enum Measure {
        /// Requests
        Requests = "requests",
        /// Tokens
        Tokens = "tokens",
        /// Cost
        Cost = "cost",
        /// Refused requests
        Refusals = "refusals",
    }
}

/// What some usage comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All requests, refused ones too.
    pub requests: i64,
    /// Refused requests.
    pub refused: i64,
    /// All tokens.
    pub tokens: i64,
    /// In nano-dollars.
    pub cost: i64,
}

impl Totals {
    /// Of one group.
    #[must_use]
    pub fn of(row: &UsageRow) -> Self {
        let refused = row.refusals.values();
        Self {
            requests: row.requests,
            refused: refused.fold(0, |sum, n| sum.saturating_add(*n)),
            tokens: row.tokens.total(),
            cost: row.cost_nano_usd,
        }
    }

    /// Of one day of a key.
    #[must_use]
    pub fn of_day(day: &KeyDay) -> Self {
        Self {
            requests: day.requests,
            refused: day.refused,
            tokens: day.tokens,
            cost: day.cost,
        }
    }

    /// Of one span.
    #[must_use]
    pub fn of_span(span: &UsageSpan) -> Self {
        let refused = refuses(&span.decision);
        Self {
            requests: span.requests,
            refused: if refused { span.requests } else { 0 },
            tokens: span.tokens,
            cost: span.cost,
        }
    }

    /// Of several groups.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        all.into_iter()
            .fold(Self::default(), |sum, one| sum.plus(one))
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.zip(other, i64::saturating_add)
    }

    /// What is left of these without the others.
    #[must_use]
    pub fn less(&self, other: &Self) -> Self {
        self.zip(other, i64::saturating_sub)
    }

    fn zip(&self, other: &Self, of: impl Fn(i64, i64) -> i64) -> Self {
        Self {
            requests: of(self.requests, other.requests),
            refused: of(self.refused, other.refused),
            tokens: of(self.tokens, other.tokens),
            cost: of(self.cost, other.cost),
        }
    }

    /// What of it is looked at; costs in nano-dollars.
    #[must_use]
    pub fn get(&self, measure: Measure) -> i64 {
        match measure {
            Measure::Requests => self.requests,
            Measure::Tokens => self.tokens,
            Measure::Cost => self.cost,
            Measure::Refusals => self.refused,
        }
    }
}

/// Whether a decision refuses a request.
pub(super) fn refuses(decision: &str) -> bool {
    NamedDecision::from(Label::clip(decision)).outcome() == Outcome::Refuses
}
