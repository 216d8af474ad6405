//! Sums of usage: which columns they have, which row a request counts in, and how they are added without leaving the range
//! of a column.

use gmtech_core::usage::Usage;

use super::signed;
use crate::clock::{MINUTE_MS, Millis};
use crate::store::Priced;

/// The columns of sums, in the order of [`Sums`].
pub(super) const SUMS: [&str; 11] = [
    "requests",
    "input",
    "cached_input",
    "cache_write",
    "audio_input",
    "output",
    "reasoning",
    "audio_output",
    "total",
    "not_exact",
    "cost",
];

/// The largest that a sum becomes; two of them can still be added.
pub(super) const LARGEST: i64 = 4_000_000_000_000_000_000;

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

/// What some events come to.
#[derive(Default)]
pub(super) struct Sums {
    columns: [i64; 11],
    last_used: i64,
}

impl Sums {
    /// Of these columns.
    pub(super) fn of(columns: [i64; 11], last_used: Millis) -> Self {
        Self {
            columns,
            last_used: last_used.0,
        }
    }

    /// What an event adds, besides its requests.
    pub(super) fn columns_of(priced: &Priced) -> [i64; 10] {
        let t = priced.event.usage.tokens();
        let exact = matches!(priced.event.usage, Usage::Exact(_));
        [
            signed(t.input),
            signed(t.cached_input),
            signed(t.cache_write),
            signed(t.audio_input),
            signed(t.output),
            signed(t.reasoning),
            signed(t.audio_output),
            signed(t.billable_total()),
            if exact {
                0
            } else {
                i64::from(priced.event.requests)
            },
            priced.cost,
        ]
    }

    pub(super) fn add(&mut self, priced: &Priced, started: Millis) {
        let row = std::iter::once(i64::from(priced.event.requests)).chain(Self::columns_of(priced));
        for (sum, value) in self.columns.iter_mut().zip(row) {
            *sum = sum.saturating_add(value);
        }
        self.last_used = self.last_used.max(started.0);
    }

    /// Adds other sums.
    pub(super) fn merge(&mut self, other: &Self) {
        for (sum, value) in self.columns.iter_mut().zip(other.columns) {
            *sum = sum.saturating_add(value);
        }
        self.last_used = self.last_used.max(other.last_used);
    }

    /// Its columns, in the order of [`SUMS`].
    pub(super) fn columns(&self) -> [i64; 11] {
        self.columns
    }

    /// The start of the last request in it.
    pub(super) fn last_used(&self) -> i64 {
        self.last_used
    }

    pub(super) fn requests(&self) -> i64 {
        self.columns.first().copied().unwrap_or(0)
    }

    pub(super) fn cost(&self) -> i64 {
        self.columns.last().copied().unwrap_or(0)
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
