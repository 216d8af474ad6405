//! Credit and the ledger.

use serde::Serialize;

use super::Once;
use crate::clock::Millis;

/// What moves a balance other than usage.
#[derive(Clone, Debug)]
pub struct NewCredit {
    /// In nano-dollars; above zero is a top-up, below zero a correction.
    pub amount: i64,
    /// What for.
    pub note: String,
    /// Makes it happen once.
    pub once: Option<Once>,
}

/// One row of a ledger.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct LedgerRow {
    /// Its place.
    pub seq: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Millis,
    /// `top_up`, `charge` or `adjustment`.
    pub kind: String,
    /// In nano-dollars, signed.
    pub amount_nano_usd: i64,
    /// Whose usage a charge is for.
    pub key: Option<String>,
    /// How many events a charge sums up.
    pub events: i64,
    /// Who.
    pub actor: String,
    /// What for.
    pub note: String,
}

/// What moved a balance on one day besides usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credited {
    /// The UTC day, counted from 1970-01-01.
    pub day: i64,
    /// All top-ups, in nano-dollars.
    pub topped_up: i64,
    /// All corrections, in nano-dollars, signed.
    pub adjusted: i64,
}
