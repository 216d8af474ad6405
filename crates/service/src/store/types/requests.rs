//! Single requests.

use serde::Serialize;

use crate::clock::Millis;
use crate::store::TokenCounts;

/// What is recorded of one request.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct RequestRecord {
    /// Names this record. A request has one, and one more for each object of the provider's whose end it was shown.
    pub event_id: String,
    /// The request's `x-request-id`, its first 64 characters.
    pub request_id: String,
    /// When it started.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Millis,
    /// When this service was told of it.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Millis,
    /// The team that is charged.
    pub team: String,
    /// The key.
    pub key: String,
    /// What its owner calls the key; null where the key is gone.
    pub key_name: Option<String>,
    /// What may be shown of the key.
    pub redacted_key: Option<String>,
    /// The tier that applied.
    pub tier: String,
    /// The model asked for.
    pub model: Option<String>,
    /// The path, without a query.
    pub path: String,
    /// The group of endpoints that was called; empty where that was not told.
    pub endpoint: String,
    /// `allowed`, or `settled` and `found` for what it was shown of objects.
    pub decision: String,
    /// The status that the client got; 0 if it got none.
    pub status: i64,
    /// From the first byte of the request to the last of the answer, in milliseconds.
    pub duration_ms: i64,
    /// How its tokens are known: `exact`, `lower_bound` or `estimated`.
    pub usage_source: String,
    /// What was used.
    #[serde(flatten)]
    pub tokens: TokenCounts,
    /// In nano-dollars.
    pub cost_nano_usd: i64,
    /// Where the price is from.
    pub priced_by: String,
}
