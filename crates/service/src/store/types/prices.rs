//! Prices: what was charged without knowing one.

use serde::Serialize;

/// What requests to a model without a price were charged by the fallback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FallbackCharge {
    /// The model as it was asked for; empty where none was.
    pub model: String,
    /// How many requests.
    pub requests: i64,
    /// What they were charged, in nano-dollars.
    pub cost_nano_usd: i64,
    /// The last UTC day with one of them, counted from 1970-01-01.
    #[serde(skip)]
    pub last_day: i64,
}
