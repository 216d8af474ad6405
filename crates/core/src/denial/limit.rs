//! A limit that was reached, in words.

use crate::go_duration::go_duration;
use crate::ident::{KeyId, TeamId};
use crate::limiter::gcra::Exceeded;
use crate::limiter::{Dimension, LimitSnapshot};

/// A limit that was reached, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitHit {
    /// The key that is limited.
    pub key: KeyId,
    /// Its team.
    pub team: TeamId,
    /// Which limit.
    pub dimension: Dimension,
    /// How long to wait, or that waiting does not help.
    pub exceeded: Exceeded,
    /// Units asked for.
    pub requested: u64,
    /// All limits as they stand.
    pub snapshot: LimitSnapshot,
}

impl LimitHit {
    /// OpenAI's sentence first, since clients look for its words; then ours.
    pub(super) fn message(&self) -> String {
        let LimitSnapshot {
            requests,
            tokens,
            in_flight,
        } = self.snapshot;
        let (name, limit, used) = match self.dimension {
            Dimension::Requests => ("requests per min (RPM)", requests.limit, requests.used),
            Dimension::Tokens => ("tokens per min (TPM)", tokens.limit, tokens.used),
            Dimension::InFlight => {
                let (limit, used) = in_flight.map_or((0, 0), |f| (f.limit, f.used));
                ("concurrent requests", limit, u64::from(used))
            }
        };
        let Self {
            key,
            team,
            requested,
            ..
        } = self;
        match self.exceeded {
            Exceeded::Wait(wait) => format!(
                "Rate limit reached for {key} in team {team} on {name}: Limit {limit}, Used {used}, \
                 Requested {requested}. Please try again in {wait}. Rate limit exceeded: GET /v1/limits tells \
                 how the limits of this key stand.",
                wait = go_duration(wait),
            ),
            Exceeded::Never => format!(
                "Request too large for {key} in team {team} on {name}: Limit {limit}, Requested {requested}. The \
                 input or output tokens must be reduced in order to run successfully. Rate limit exceeded: waiting \
                 does not help.",
            ),
        }
    }
}
