//! Sums of usage: which columns they have, which row a request counts in, and how they are added without leaving the range
//! of a column.

use gmtech_core::usage::{TokenKind, UsageSource};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::clock::{DAY_MINUTES, MINUTE_MS, Millis};
use crate::store::{Priced, Result, TokenCounts};

/// The largest that a sum becomes; two of them can still be added.
pub(crate) const LARGEST: i64 = 4_000_000_000_000_000_000;

/// What an upsert sets so that a column of `table` grows by what is inserted, and stays within its range.
pub(super) fn grown(table: &str, column: &str) -> String {
    format!(
        "{column} = CASE WHEN {table}.{column} > {LARGEST} - excluded.{column} THEN {LARGEST}
               ELSE {table}.{column} + excluded.{column} END"
    )
}

/// What an upsert sets so that `last_used_at` of `table` is the later of what is there and what is inserted.
pub(super) fn later_use(table: &str) -> String {
    format!(
        "last_used_at = CASE WHEN excluded.last_used_at > {table}.last_used_at THEN excluded.last_used_at
               ELSE {table}.last_used_at END"
    )
}

/// The sum of a column over any rows, as a `BIGINT`: exact up to 8·10¹⁸ either way, and that beyond it. A plain `SUM`
/// fails where the result does not fit, and with it whoever asks.
pub(crate) fn sum_of(column: &str) -> String {
    let (high, low) = (
        format!("SUM({column} / 1000000000)"),
        format!("SUM({column} % 1000000000)"),
    );
    format!(
        "CAST(CASE WHEN {high} >= 8000000000 THEN 8000000000000000000
                   WHEN {high} <= -8000000000 THEN -8000000000000000000
                   ELSE {high} * 1000000000 + {low} END AS BIGINT)"
    )
}

/// How many columns [`Amounts`] have: of each kind of tokens, and three more.
const AMOUNTS: usize = TokenKind::ALL.len() + 3;

/// Where the total of tokens stands among them: behind that of each kind.
const TOTAL_AT: usize = TokenKind::ALL.len();

/// What events come to besides how many requests they are, column by column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amounts([i64; AMOUNTS]);

impl Amounts {
    /// The columns, in the order of [`Self::values`].
    pub(super) fn columns() -> impl Iterator<Item = &'static str> {
        TokenCounts::columns().chain(["not_exact", "cost"])
    }

    /// Of one event.
    pub(super) fn of(priced: &Priced) -> Self {
        let usage = &priced.event.usage;
        let not_exact = match usage.source() {
            UsageSource::Exact => 0,
            UsageSource::LowerBound | UsageSource::Estimated => i64::from(priced.event.requests),
        };
        let tokens = TokenCounts::from(usage.tokens());
        Self::collect(tokens.values().chain([not_exact, priced.cost]))
    }

    /// The values of its columns.
    pub(super) fn values(&self) -> [i64; AMOUNTS] {
        self.0
    }

    /// Of a value for each column, in order.
    fn collect(values: impl IntoIterator<Item = i64>) -> Self {
        let mut values = values.into_iter();
        Self(std::array::from_fn(|_| values.next().unwrap_or(0)))
    }

    /// Of a row that has the columns.
    pub(super) fn read(row: &AnyRow) -> Result<Self> {
        let values = Self::columns().map(|column| row.try_get(column));
        Ok(Self::collect(values.collect::<sqlx::Result<Vec<_>>>()?))
    }

    /// These and others, each column by `of`.
    pub(super) fn zip(&self, other: &Self, of: impl Fn(i64, i64) -> i64) -> Self {
        Self::collect(self.0.iter().zip(other.0).map(|(a, b)| of(*a, b)))
    }

    /// The column of all tokens.
    fn tokens(&self) -> i64 {
        self.0.get(TOTAL_AT).copied().unwrap_or(0)
    }

    /// The last column.
    fn cost(&self) -> i64 {
        self.0.last().copied().unwrap_or(0)
    }
}

/// What some events come to.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) requests: i64,
    pub(super) amounts: Amounts,
    /// The start of the last request in it.
    pub(super) last_used: i64,
}

impl Sums {
    /// The columns, in the order of [`Self::values`].
    pub(super) fn columns() -> impl Iterator<Item = &'static str> {
        std::iter::once("requests").chain(Amounts::columns())
    }

    /// The values of its columns, as large as a column holds.
    pub(super) fn values(&self) -> impl Iterator<Item = i64> {
        let values = std::iter::once(self.requests).chain(self.amounts.values());
        values.map(|value| value.clamp(-LARGEST, LARGEST))
    }

    /// Of one event.
    pub(super) fn of(priced: &Priced, started: Millis) -> Self {
        Self {
            requests: i64::from(priced.event.requests),
            amounts: Amounts::of(priced),
            last_used: started.0,
        }
    }

    /// Adds other sums.
    pub(super) fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.amounts = self.amounts.zip(&other.amounts, i64::saturating_add);
        self.last_used = self.last_used.max(other.last_used);
    }

    pub(super) fn cost(&self) -> i64 {
        self.amounts.cost()
    }

    /// What is billed of tokens.
    pub(super) fn tokens(&self) -> i64 {
        self.amounts.tokens()
    }
}

/// What one row of sums by the minute is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot<'a> {
    /// Minutes since the Unix epoch.
    pub(super) minute: i64,
    pub(super) team: &'a str,
    pub(super) key: &'a str,
    pub(super) model: &'a str,
    /// A group of endpoints.
    pub(super) endpoint: &'a str,
    pub(super) decision: &'a str,
}

/// The minute of an instant, counted from the Unix epoch.
pub(super) fn minute_of(at: Millis) -> i64 {
    at.0.div_euclid(MINUTE_MS)
}

/// The UTC day of a minute, counted from 1970-01-01.
pub(super) fn day_of(minute: i64) -> i64 {
    minute.div_euclid(DAY_MINUTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_value_for_each_column_and_the_last_is_the_cost() {
        assert_eq!(Amounts::columns().count(), AMOUNTS);
        assert_eq!(Amounts::columns().last(), Some("cost"));
        assert_eq!(Amounts::columns().nth(TOTAL_AT), Some("total"));
        assert_eq!(Sums::columns().count(), Sums::default().values().count());
    }
}
