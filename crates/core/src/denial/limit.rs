//! The message for a limit that was reached.

use crate::decision::Decision;
use crate::go_duration::go_duration;
use crate::ident::{KeyId, TeamId};
use crate::limiter::gcra::Exceeded;
use crate::limiter::{Cell, CellStanding, Dimension, Refusal, Scope};

/// A limit that was reached, and the key that reached it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitHit {
    /// The key of the request.
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

    /// The scope of the limit.
    pub(super) fn scope(&self) -> Scope {
        self.refusal.standing.cell.scope
    }

    /// The text for Envoy's `%RESPONSE_CODE_DETAILS%`: the decision's, with the scope if that is not the key.
    pub(super) fn details(&self, decision: Decision) -> String {
        let details = decision.details();
        match self.scope() {
            Scope::Key => details,
            scope => [&details, "_", scope.name()].concat(),
        }
    }

    /// Writes OpenAI's sentence first, since clients look for its words, and then the gate's.
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

    /// Names the owner of the limit, in place of OpenAI's "gpt-4o in organization …".
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
            Scope::OwnAccount => {
                format!("{key} in team {team}, for questions about the key itself,")
            }
        }
    }
}
