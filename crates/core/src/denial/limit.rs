//! A limit that was reached, in words.

use crate::decision::Decision;
use crate::go_duration::go_duration;
use crate::ident::{KeyId, TeamId};
use crate::limiter::gcra::Exceeded;
use crate::limiter::{Cell, CellStanding, Dimension, Refusal, Scope};

/// A limit that was reached, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitHit {
    /// The key that asked.
    pub key: KeyId,
    /// Its team.
    pub team: TeamId,
    /// The limit.
    pub refusal: Refusal,
}

impl LimitHit {
    /// What the limit counts.
    pub(super) fn dimension(&self) -> Dimension {
        self.refusal.standing.cell.dimension
    }

    /// Whose the limit is.
    pub(super) fn scope(&self) -> Scope {
        self.refusal.standing.cell.scope
    }

    /// For Envoy's `%RESPONSE_CODE_DETAILS%`: the decision's, and whose limit it is where it is not the key's.
    pub(super) fn details(&self, decision: Decision) -> String {
        let details = decision.details();
        match self.scope() {
            Scope::Key => details,
            scope => [&details, "_", scope.name()].concat(),
        }
    }

    /// OpenAI's sentence first, since clients look for its words; then ours.
    pub(super) fn message(&self) -> String {
        let Refusal {
            standing: CellStanding { cell, used, .. },
            exceeded,
            requested,
            ..
        } = &self.refusal;
        let name = match cell.dimension {
            Dimension::Requests => "requests per min (RPM)",
            Dimension::Tokens => "tokens per min (TPM)",
            Dimension::InFlight => "concurrent requests",
        };
        let (whose, limit) = (self.whose(), cell.limit);
        match exceeded {
            Exceeded::Wait(wait) => format!(
                "Rate limit reached for {whose} on {name}: Limit {limit}, Used {used}, Requested {requested}. Please \
                 try again in {wait}. Rate limit exceeded: GET /v1/limits tells how the limits of this key stand.",
                wait = go_duration(*wait),
            ),
            Exceeded::Never => format!(
                "Request too large for {whose} on {name}: Limit {limit}, Requested {requested}. The input or output \
                 tokens must be reduced in order to run successfully. Rate limit exceeded: waiting does not help.",
            ),
        }
    }

    /// Whose limit it is, in the place of OpenAI's "gpt-4o in organization …".
    fn whose(&self) -> String {
        let Self { key, team, .. } = self;
        let Cell { scope, id, .. } = &self.refusal.standing.cell;
        match scope {
            Scope::Key => format!("{key} in team {team}"),
            Scope::KeyAndModel => {
                let model = id.split_once('/').map_or(id.as_str(), |(_, model)| model);
                format!("{key} and model {model} in team {team}")
            }
            Scope::Tag => format!("tag {id} in team {team}"),
            Scope::Team => format!("all keys of team {team}"),
        }
    }
}
