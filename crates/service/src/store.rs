//! Where everything lives: keys, teams, tokens, the audit log, usage and money.
//!
//! [`Store`] is one program for two databases, SQLite and PostgreSQL; one test suite (`tests/store`) is run against both.
//! What goes in and comes out is in [`types`], a file for each noun; the SQL of a noun has the same name under [`sql`].
//!
//! # Laws that the store keeps
//! - A change of a key or of a credit state, its version and its audit entry are one transaction. Versions are
//!   seen in the order they were given: who has read version `n` never later finds a change at or below `n`.
//! - A balance is the sum of the team's ledger rows; ledger and audit rows are never changed or removed.
//! - A usage event is counted once, however often and however late it is sent. A closed day's sums do not change.
//! - No sum passes what its column holds: it stays at the largest.
//! - No secret comes in: a key or token is its digest here.
//!
//! # Failure policy
//! A store that cannot answer says [`StoreError::Unavailable`], and nothing of the change has happened; one that lost
//! the answer to its last word says [`StoreError::Unconfirmed`]. Every future of a store can be dropped at any moment:
//! the change has then happened whole or not at all, and the store works on.

mod counts;
pub mod failure;
pub mod policy;
mod sql;
pub mod thresholds;
mod types;

pub use counts::TokenCounts;
pub use failure::{Failure, FailureKind};
pub use sql::Store;
pub(crate) use sql::{LARGEST_SUM, sum_of};
pub use types::*;

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing; says what kind.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// It contradicts what is there; says how, for the caller to read.
    #[error("{0}")]
    Conflict(String),
    /// The owner that a key is to have is no member of its team.
    #[error("the owner of a key must be a member of its team; add the address to team {0} first")]
    NotAMember(String),
    /// The team would have no owner any more.
    #[error("this is the last owner of the team; make somebody else an owner first")]
    LastOwner,
    /// The actor may not go that far.
    #[error("{0}")]
    Refused(#[from] policy::Refusal),
    /// No page gave this cursor.
    #[error("no page gave this cursor")]
    BadCursor,
    /// The database failed, and nothing was changed.
    #[error("{0}")]
    Unavailable(#[from] Failure),
    /// The database did not say what became of a change: it may have happened.
    #[error("a change was not confirmed: {0}")]
    Unconfirmed(Failure),
    /// The database holds what this program did not write.
    #[error("the database holds a malformed {0}")]
    Corrupt(&'static str),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

/// What a store method gives.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;
